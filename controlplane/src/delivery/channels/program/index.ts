/** @module Channel kind `program`: runs a program of the operator. Only from the configuration file, never through the API. */
import { readFileSync } from 'node:fs';
import { parseDuration } from '@tocsin/openapi';
import type { ChannelKind, ResolvedSettings } from '../../channel.ts';
import { ChannelSettingsError } from '../../outcome.ts';
import { renderInput } from './render.ts';
import { KeptProgram, type Program, runProgram } from './send.ts';
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
    const kept = (settings as ProgramSettings).keep_alive ? new KeptProgram(program) : undefined;
    return {
      send(notification, { signal }) {
        const line = renderInput(notification);
        return kept ? kept.write(line, signal) : runProgram(program, line, signal);
      },
      preview: (notification) => [
        { content_type: 'application/json', body: renderInput(notification) },
      ],
      close() {
        kept?.close();
        return Promise.resolve();
      },
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
    user: resolved.user === undefined ? undefined : findUser(resolved.user),
    maxMemoryBytes: resolved.max_memory_bytes,
  };
}

function findUser(name: string): { uid: number; gid: number } {
  const lines = readFileSync('/etc/passwd', 'utf8').split('\n');
  const [, , uid, gid] = lines.find((line) => line.startsWith(`${name}:`))?.split(':') ?? [];
  if (uid === undefined || gid === undefined)
    throw new ChannelSettingsError(`user: there is no user '${name}' in /etc/passwd.`);
  return { uid: Number(uid), gid: Number(gid) };
}
