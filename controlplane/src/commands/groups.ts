import type { Command } from 'commander';
import { jsonText } from '../delivery/text.ts';
import { ApiClient, type ApiFlags, withApiFlags } from './api-client.ts';
import type { CommandContext } from './context.ts';
import { table } from './terminal.ts';

interface ShownGroup {
  readonly key: string;
  readonly channel: string | null;
  readonly counts: { readonly firing: number; readonly held: number };
  readonly notifications: number;
  readonly next_flush: string;
  readonly reason: string;
}

interface ShownAccount {
  readonly accepted: number;
  readonly outcomes: Readonly<Record<string, number>>;
}

interface ShownLedger extends ShownAccount {
  readonly agents: readonly (ShownAccount & { readonly agent: string })[];
  readonly routes: readonly (ShownAccount & { readonly route: string })[];
}

/** `tocsin groups`: what is told together, and when it speaks next. */
export function groupsCommand(program: Command, context: CommandContext): void {
  withApiFlags(
    program.command('groups').description('list groups of alerts and when they speak next'),
  )
    .option('--limit <number>', 'at most so many, those that are looked at next', '100')
    .action(async (flags: ApiFlags & { limit: string }) => {
      const client = new ApiClient(flags, context);
      const path = `/v1/groups?limit=${encodeURIComponent(flags.limit)}`;
      const { items } = await client.call<{ items: ShownGroup[] }>('GET', path);
      const rows = items.map(({ key, channel, counts, notifications, next_flush, reason }) => [
        ...[next_flush, reason, channel ?? '', String(counts.firing), String(counts.held)],
        ...[String(notifications), key],
      ]);
      const head = ['NEXT', 'REASON', 'CHANNEL', 'FIRING', 'HELD', 'TOLD', 'GROUP'];
      context.out.write(flags.json ? `${jsonText(items)}\n` : table(head, rows));
    });
}

/** `tocsin ledger`: what became of every alert. */
export function ledgerCommand(program: Command, context: CommandContext): void {
  withApiFlags(
    program.command('ledger').description('tell what became of every alert that was accepted'),
  ).action(async (flags: ApiFlags) => {
    const client = new ApiClient(flags, context);
    const ledger = await client.call<ShownLedger>('GET', '/v1/ledger');
    if (flags.json) context.out.write(`${jsonText(ledger)}\n`);
    else context.out.write(shown(ledger));
  });
}

function shown(ledger: ShownLedger): string {
  const accounts: [string, ShownAccount][] = [
    ['all', ledger],
    ...ledger.agents.map((one): [string, ShownAccount] => [`agent ${one.agent}`, one]),
    ...ledger.routes.map((one): [string, ShownAccount] => [`route ${one.route}`, one]),
  ];
  const names = Object.keys(ledger.outcomes);
  return table(
    ['OF', 'ACCEPTED', ...names.map((name) => name.replaceAll('_', ' ').toUpperCase())],
    accounts.map(([of, { accepted, outcomes }]) => [
      of,
      String(accepted),
      ...names.map((name) => String(outcomes[name] ?? 0)),
    ]),
  );
}
