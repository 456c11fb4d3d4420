import type { Agent } from '@tocsin/openapi';
import type { Command } from 'commander';
import { jsonText } from '../delivery/text.ts';
import { ApiClient, type ApiFlags, withApiFlags } from './api-client.ts';
import type { CommandContext } from './context.ts';
import { table } from './terminal.ts';

/** `tocsin agents`: the hosts of the fleet. */
export function agentsCommand(program: Command, context: CommandContext): void {
  const agents = program.command('agents').description('list agents and make join tokens');

  withApiFlags(agents.command('list', { isDefault: true }).description('list the agents')).action(
    async (flags: ApiFlags) => {
      const client = new ApiClient(flags, context);
      const { items } = await client.call<{ items: Agent[] }>('GET', '/v1/agents');
      context.out.write(flags.json ? `${jsonText(items)}\n` : shown(items));
    },
  );

  withApiFlags(agents.command('token').description('make a join token for one agent'))
    .option('--ttl <duration>', 'how long it can be used', '1h')
    .action(async (flags: ApiFlags & { ttl: string }) => {
      const client = new ApiClient(flags, context);
      const made = await client.call<{ join_token: string; expires_at: string }>(
        'POST',
        '/v1/join-tokens',
        { ttl: flags.ttl },
      );
      context.out.write(`${flags.json ? JSON.stringify(made) : made.join_token}\n`);
    });

  withApiFlags(agents.command('revoke <agent>').description('refuse an agent from now on')).action(
    async (agent: string, flags: ApiFlags) => {
      const client = new ApiClient(flags, context);
      await client.call('DELETE', `/v1/agents/${encodeURIComponent(agent)}`);
      context.err.write(`agent ${agent} is revoked\n`);
    },
  );
}

function shown(agents: readonly Agent[]): string {
  return table(
    ['AGENT', 'HOST', 'VERSION', 'LAST SEEN', 'ALERTS', 'STATE'],
    agents.map(({ agent, hostname, version, last_seen, alerts, revoked }) => [
      agent,
      hostname,
      version,
      last_seen ?? 'never',
      String(alerts),
      revoked ? 'revoked' : 'enrolled',
    ]),
  );
}
