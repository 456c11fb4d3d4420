/** Takes a changed configuration file without a restart: when it changes, and at SIGHUP. */
import { readFileSync } from 'node:fs';
import { SettingsError } from '@tocsin/openapi';
import type { ControlPlane } from '../control-plane.ts';
import { readSettings, type Settings } from '../settings.ts';
import type { CommandContext, SettingsFlags } from './context.ts';

const LOOK_MS = 1000;

/** Follows the file of `settings` until the answer is called. What is wrong with it is told on stderr, and the old stays in force. */
export function followConfiguration(
  plane: ControlPlane,
  settings: Settings,
  flags: SettingsFlags,
  context: CommandContext,
): () => void {
  const { file } = settings;
  let [seen, busy, again] = [textOf(file), false, false];
  const say = (text: string) => context.err.write(`tocsin: ${text}\n`);

  const reload = async () => {
    if (busy) {
      again = true;
      return;
    }
    busy = true;
    try {
      seen = textOf(file);
      const { config } = readSettings(flags, context.environment);
      const waiting = await plane.reload(config);
      say('the configuration was read again');
      if (waiting.length > 0)
        say(`a restart is needed for what is only read at the start: ${waiting.join(', ')}`);
    } catch (error) {
      plane.reloadFailed();
      const problems = error instanceof SettingsError ? error.problems : undefined;
      const reason = problems
        ? problems.map(({ where, message }) => `\n  ${where}: ${message}`).join('')
        : ` ${(error as Error).message}`;
      say(`the configuration is not taken, the old one stays:${reason}`);
    } finally {
      busy = false;
      if (again) {
        again = false;
        void reload();
      }
    }
  };
  const look = () => {
    const text = textOf(file);
    // A file that is being replaced may be away for a moment.
    if (text !== undefined && text !== seen) void reload();
  };
  const timer = file === undefined ? undefined : setInterval(look, LOOK_MS);
  const onSignal = () => void reload();
  process.on('SIGHUP', onSignal);
  return () => {
    clearInterval(timer);
    process.off('SIGHUP', onSignal);
  };
}

function textOf(file: string | undefined): string | undefined {
  try {
    return file === undefined ? undefined : readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
