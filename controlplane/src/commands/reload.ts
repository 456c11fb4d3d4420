/** Takes a changed configuration file without a restart: when it changes, at SIGHUP, and at `POST /-/reload`. */
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
  let seen = textOf(file);
  let running: Promise<string | undefined> = Promise.resolve(undefined);
  let waiting: typeof running | undefined;
  const say = (text: string) => context.err.write(`tocsin: ${text}\n`);

  const read = async (): Promise<string | undefined> => {
    waiting = undefined;
    try {
      seen = textOf(file);
      const { config } = readSettings(flags, context.environment);
      const unread = await plane.reload(config);
      say('the configuration was read again');
      if (unread.length > 0)
        say(`a restart is needed for what is only read at the start: ${unread.join(', ')}`);
      return undefined;
    } catch (error) {
      plane.reloadFailed();
      const problems = error instanceof SettingsError ? error.problems : undefined;
      const reason = problems
        ? problems.map(({ where, message }) => `\n  ${where}: ${message}`).join('')
        : ` ${(error as Error).message}`;
      const told = `the configuration is not taken, the old one stays:${reason}`;
      say(told);
      return told;
    }
  };
  /** Reads from now on, one at a time; the answer is why it was not taken. */
  const reload = () => {
    waiting ??= running.then(read);
    running = waiting;
    return waiting;
  };
  const look = () => {
    const text = textOf(file);
    // A file that is being replaced may be away for a moment.
    if (text !== undefined && text !== seen) void reload();
  };
  const timer = file === undefined ? undefined : setInterval(look, LOOK_MS);
  const onSignal = () => void reload();
  process.on('SIGHUP', onSignal);
  plane.onReloadAsked(reload);
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
