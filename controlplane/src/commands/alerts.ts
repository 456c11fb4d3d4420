import { setTimeout as sleep } from 'node:timers/promises';
import { parseDuration, type StoredAlert } from '@tocsin/openapi';
import type { Command } from 'commander';
import { jsonLine } from '../delivery/text.ts';
import { ApiClient, ApiError, type ApiFlags, withApiFlags } from './api-client.ts';
import type { CommandContext } from './context.ts';
import { alertLine } from './terminal.ts';

interface AlertFlags extends ApiFlags {
  readonly rule?: string;
  readonly priority?: string;
  readonly minimumPriority?: string;
  readonly hostname?: string;
  readonly since?: string;
  readonly limit: string;
  readonly follow?: boolean;
}

interface AlertPage {
  readonly items: StoredAlert[];
  readonly next: string | null;
}

const FOLLOW_MS = 1000;
const PAGE = 1000;

/** `tocsin alerts`: what was found. */
export function alertsCommand(program: Command, context: CommandContext): void {
  withApiFlags(program.command('alerts').description('list alerts, oldest first'))
    .option('--rule <name>', 'only of this rule')
    .option('--priority <priority>', 'only of exactly this priority')
    .option('--minimum-priority <priority>', 'only of this priority or a more severe one')
    .option('--hostname <name>', 'only of this host')
    .option('--since <when>', 'only seen since: a time, or a duration such as 1h')
    .option('--limit <number>', 'at most so many, the newest', '100')
    .option('-f, --follow', 'go on with new alerts as they come')
    .action(async (flags: AlertFlags) => {
      const client = new ApiClient(flags, context);
      if (flags.follow) return follow(client, flags, context);
      const alerts = await collect(client, flags);
      print(alerts, flags, context);
      if (alerts.length === 0 && !flags.json) context.err.write('no alerts\n');
    });
}

function queryOf(flags: AlertFlags, limit: number, cursor?: string): string {
  const { rule, priority, minimumPriority, hostname, since } = flags;
  const given = {
    rule,
    priority,
    minimum_priority: minimumPriority,
    hostname,
    since: timeOf(since),
    cursor,
  };
  const query = new URLSearchParams({ limit: String(limit) });
  for (const [name, value] of Object.entries(given))
    if (value !== undefined) query.set(name, value);
  return `/v1/alerts?${query}`;
}

function timeOf(since: string | undefined): string | undefined {
  if (since === undefined) return undefined;
  const ago = parseDuration(since);
  const at = ago === undefined ? Date.parse(since) : Date.now() - ago;
  if (Number.isNaN(at))
    throw new ApiError(
      '--since must be a duration such as 1h, or a time such as 2026-01-31T12:00:00Z.',
    );
  return new Date(at).toISOString();
}

/** Newest `limit` alerts, oldest first. */
async function collect(client: ApiClient, flags: AlertFlags): Promise<StoredAlert[]> {
  const limit = Number(flags.limit);
  if (!Number.isSafeInteger(limit) || limit < 1)
    throw new ApiError('--limit must be a number from 1.');
  const alerts: StoredAlert[] = [];
  let cursor: string | undefined;
  do {
    const path = queryOf(flags, Math.min(PAGE, limit - alerts.length), cursor);
    const page = await client.call<AlertPage>('GET', path);
    alerts.push(...page.items);
    cursor = page.next ?? undefined;
  } while (cursor !== undefined && alerts.length < limit);
  return alerts.reverse();
}

/** Prints what is there, then what is new or was seen again, until it is stopped. */
async function follow(
  client: ApiClient,
  flags: AlertFlags,
  context: CommandContext,
): Promise<void> {
  const shown = new Map<string, number>();
  let stopped = false;
  const stopping = context.untilStopped(async () => {
    stopped = true;
  });
  while (!stopped) {
    const alerts = await collect(client, flags);
    const fresh = alerts.filter(({ id, count }) => shown.get(id) !== count);
    print(fresh, flags, context);
    shown.clear();
    for (const { id, count } of alerts) shown.set(id, count);
    await sleep(FOLLOW_MS);
  }
  await stopping;
}

function print(alerts: readonly StoredAlert[], flags: AlertFlags, context: CommandContext): void {
  for (const alert of alerts) {
    const line = flags.json ? jsonLine(alert) : alertLine(alert, context.out.isTTY === true);
    context.out.write(`${line}\n`);
  }
}
