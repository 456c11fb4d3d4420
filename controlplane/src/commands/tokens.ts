import type { Command } from 'commander';
import { jsonText, printable } from '../delivery/text.ts';
import { ApiClient, type ApiFlags, withApiFlags } from './api-client.ts';
import type { CommandContext } from './context.ts';
import { table } from './terminal.ts';

interface Shown {
  readonly name: string;
  readonly role: string;
  readonly origin: string;
  readonly made_by: string | null;
  readonly expires_at: string | null;
}

/** `tocsin tokens`: who may use the API. */
export function tokensCommand(program: Command, context: CommandContext): void {
  const tokens = program
    .command('tokens')
    .description('list, make and revoke tokens of people and programs');

  withApiFlags(tokens.command('list', { isDefault: true }).description('list the tokens')).action(
    async (flags: ApiFlags) => {
      const client = new ApiClient(flags, context);
      const { items } = await client.call<{ items: Shown[] }>('GET', '/v1/tokens');
      context.out.write(flags.json ? `${jsonText(items)}\n` : shown(items));
    },
  );

  withApiFlags(tokens.command('create <name>').description('make a token and print it, this once'))
    .option('--role <role>', 'intake, reader, operator or admin', 'intake')
    .option('--ttl <duration>', 'how long it is known (default: until it is revoked)')
    .action(async (name: string, flags: ApiFlags & { role: string; ttl?: string }) => {
      const { role, ttl } = flags;
      const client = new ApiClient(flags, context);
      const made = await client.call<{ token: string }>('POST', '/v1/tokens', { name, role, ttl });
      context.out.write(`${flags.json ? JSON.stringify(made) : made.token}\n`);
    });

  withApiFlags(tokens.command('revoke <name>').description('refuse a token from now on')).action(
    async (name: string, flags: ApiFlags) => {
      const client = new ApiClient(flags, context);
      await client.call('DELETE', `/v1/tokens/${encodeURIComponent(name)}`);
      context.err.write(`token ${name} is revoked\n`);
    },
  );
}

const shown = (tokens: readonly Shown[]): string =>
  table(
    ['NAME', 'ROLE', 'FROM', 'EXPIRES'],
    tokens.map(({ name, role, origin, made_by, expires_at }) => [
      printable(name, 80),
      role,
      made_by === null ? origin : printable(made_by, 40),
      expires_at ?? 'never',
    ]),
  );
