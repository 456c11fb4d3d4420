import type { StoredAlert } from '@tocsin/openapi';
import type { Command } from 'commander';
import { jsonText } from '../delivery/text.ts';
import { ApiClient, ApiError, type ApiFlags, withApiFlags } from './api-client.ts';
import type { CommandContext } from './context.ts';
import { alertLine, table } from './terminal.ts';

interface ShownStep {
  readonly at: string;
  readonly what: string;
  readonly route?: string;
  readonly channel?: string;
  readonly by?: string;
  readonly detail?: string;
}

interface ShownTimeline {
  readonly outcome: string | null;
  readonly past: readonly ShownStep[];
  readonly next: readonly ShownStep[];
}

/** `tocsin timeline`: the story of one alert. */
export function timelineCommand(program: Command, context: CommandContext): void {
  withApiFlags(
    program
      .command('timeline')
      .description('tell what happened to an alert, and what will')
      .argument('[id]', 'of the alert, as in alerts --json; the newest without it'),
  )
    .option('--rule <name>', 'the newest of this rule')
    .action(async (id: string | undefined, flags: ApiFlags & { rule?: string }) => {
      const client = new ApiClient(flags, context);
      const alert = await find(client, id, flags.rule);
      const timeline = await client.call<ShownTimeline>('GET', `/v1/alerts/${alert.id}/timeline`);
      if (flags.json) context.out.write(`${jsonText(timeline)}\n`);
      else context.out.write(shown(alert, timeline, context.out.isTTY === true));
    });
}

async function find(client: ApiClient, id: string | undefined, rule: string | undefined) {
  if (id !== undefined)
    return client.call<StoredAlert>('GET', `/v1/alerts/${encodeURIComponent(id)}`);
  const query = new URLSearchParams({ limit: '1', ...(rule !== undefined && { rule }) });
  const { items } = await client.call<{ items: StoredAlert[] }>('GET', `/v1/alerts?${query}`);
  if (!items[0])
    throw new ApiError(
      rule === undefined ? 'There is no alert.' : `There is no alert of '${rule}'.`,
    );
  return items[0];
}

function shown(alert: StoredAlert, { outcome, past, next }: ShownTimeline, colored: boolean) {
  const row = (
    mark: string,
    { at, what, channel = '', by = '', detail = '', route = '' }: ShownStep,
  ) => [...[at, mark + what, channel, by, detail, route]];
  const rows = [...past.map((step) => row('', step)), ...next.map((step) => row('next: ', step))];
  const head = ['AT', 'WHAT', 'CHANNEL', 'BY', 'DETAIL', 'ROUTE'];
  return `${alertLine(alert, colored)}\n${table(head, rows)}outcome: ${outcome ?? 'none yet'}\n`;
}
