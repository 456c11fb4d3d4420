/** @module Channel kind `log`: Falco JSON lines, one an alert. */
import type { ChannelKind } from '../../channel.ts';
import { renderLines } from './render.ts';
import { appendLines, writeStdout } from './send.ts';
import { LogSettings } from './settings.ts';

export const logKind: ChannelKind = {
  kind: 'log',
  settings: LogSettings,
  origin: 'any',
  fileSettings: ['path'],
  create(settings) {
    const { path } = settings as LogSettings;
    return {
      send: (notification, { signal }) => {
        const lines = renderLines(notification);
        return path === undefined ? writeStdout(lines, signal) : appendLines(path, lines);
      },
      close: () => Promise.resolve(),
    };
  },
};
