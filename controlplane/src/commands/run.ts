import type { Command } from 'commander';
import type { ControlPlane } from '../control-plane.ts';
import { readSettings } from '../settings.ts';
import { type CommandContext, type SettingsFlags, withSettingsFlags } from './context.ts';
import { LocalAgent } from './local-agent.ts';
import { followConfiguration } from './reload.ts';
import { startAnnounced } from './server.ts';
import { alertLine } from './terminal.ts';

/** `tocsin run`: embedded Redis, control plane and local agent; alerts are shown as they come. */
export function runCommand(program: Command, context: CommandContext): void {
  withSettingsFlags(
    program.command('run').description('run the whole system on this machine'),
    'server',
  ).action(async (flags: SettingsFlags) => {
    let plane: ControlPlane | undefined;
    let agent: LocalAgent | undefined;
    let unfollow = () => {};
    const stopped = context.untilStopped(async () => {
      unfollow();
      await agent?.stop();
      await plane?.stop();
    });
    const settings = readSettings(flags, context.environment);
    plane = await startAnnounced(settings, context);
    unfollow = followConfiguration(plane, settings, flags, context);
    const colored = context.out.isTTY === true;
    plane.ingest.on('stored', (alert) => context.out.write(`${alertLine(alert, colored)}\n`));
    if (settings.config.agent.enabled) {
      agent = new LocalAgent(plane, settings, context);
      await agent.start();
    }
    await stopped;
  });
}
