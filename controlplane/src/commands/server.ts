import { setFlagsFromString } from 'node:v8';
import type { Command } from 'commander';
import type { ControlPlane } from '../control-plane.ts';
import { readSettings, type Settings } from '../settings.ts';
import {
  type CommandContext,
  processLog,
  type SettingsFlags,
  withSettingsFlags,
} from './context.ts';
import { followConfiguration } from './reload.ts';

/**
 * How much more than what is in use the heap may hold before all of it is looked through. Node allows some MB, which under load is a
 * look a second at what hardly ever changes, and a fifth of the CPU time of the process.
 */
const HEAP_GROWING_PERCENT = 200;

/** Starts the control plane and says where it is. */
export async function startAnnounced(
  settings: Settings,
  context: CommandContext,
): Promise<ControlPlane> {
  // Loaded here, so that the commands that only call the API start fast.
  const { startControlPlane } = await import('../control-plane.ts');
  setFlagsFromString(`--heap-growing-percent=${HEAP_GROWING_PERCENT}`);
  const { config } = settings;
  const plane = await startControlPlane({
    config,
    logger: processLog(config.log_level),
    environment: context.environment,
  });
  context.out.write(`tocsin is ready: ${plane.url} (admin token in ${plane.adminTokenFile})\n`);
  return plane;
}

/** `tocsin server`: the control plane alone. */
export function serverCommand(program: Command, context: CommandContext): void {
  withSettingsFlags(
    program.command('server').description('run the control plane alone'),
    'server',
  ).action(async (flags: SettingsFlags) => {
    let plane: ControlPlane | undefined;
    let unfollow = () => {};
    const stopped = context.untilStopped(async () => {
      unfollow();
      await plane?.stop();
    });
    const settings = readSettings(flags, context.environment);
    plane = await startAnnounced(settings, context);
    unfollow = followConfiguration(plane, settings, flags, context);
    await stopped;
  });
}
