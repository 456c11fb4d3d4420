/** @module Channel kind `program`: runs a program of the operator. Only from the configuration file, never through the API. */
import { parseDuration } from '@tocsin/openapi';
import type { ChannelKind, ResolvedSettings } from '../../channel.ts';
import { ChannelSettingsError } from '../../outcome.ts';
import { renderInput } from './render.ts';
import { type Program, runProgram } from './send.ts';
import { ProgramSettings } from './settings.ts';

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const DEFAULT_TIMEOUT = '10s';

export const programKind: ChannelKind = {
  kind: 'program',
  settings: ProgramSettings,
  origin: 'file',
  parallel: 1,
  create(settings) {
    const program = readSettings(settings);
    return {
      send: (notification, { signal }) => runProgram(program, renderInput(notification), signal),
      preview: (notification) => [
        { content_type: 'application/json', body: renderInput(notification) },
      ],
      close: () => Promise.resolve(),
    };
  },
};

function readSettings(settings: ResolvedSettings): Program {
  const resolved = settings as Omit<ProgramSettings, 'environment'> & {
    environment?: Record<string, string>;
  };
  for (const [name, value] of Object.entries(resolved.environment ?? {})) {
    if (value.includes('\0'))
      throw new ChannelSettingsError(`environment.${name}: holds a NUL character.`);
  }
  return {
    argv: resolved.argv,
    environment: { PATH, ...resolved.environment },
    workingDirectory: resolved.working_directory ?? '/',
    timeoutMs: parseDuration(resolved.timeout ?? DEFAULT_TIMEOUT) ?? 0,
  };
}
