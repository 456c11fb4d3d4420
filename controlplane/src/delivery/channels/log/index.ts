/** @module Channel kind `log`: lines, one an alert, on standard output or in a file. */
import type { ChannelKind } from '../../channel.ts';
import { FORMATS } from '../../formats/index.ts';
import { renderLines } from './render.ts';
import { appendLines, writeStdout } from './send.ts';
import { LogSettings } from './settings.ts';

export const logKind: ChannelKind = {
  kind: 'log',
  settings: LogSettings,
  origin: 'any',
  records: true,
  parallel: 1,
  fileSettings: ['path'],
  create(settings) {
    const { path, format = 'falco', rotate } = settings as LogSettings;
    return {
      send: (notification, { signal }) => {
        const lines = renderLines(notification, FORMATS[format]);
        return path === undefined ? writeStdout(lines, signal) : appendLines(path, lines, rotate);
      },
      preview: (notification) => [
        { content_type: 'text/plain', body: renderLines(notification, FORMATS[format]) },
      ],
      close: () => Promise.resolve(),
    };
  },
};
