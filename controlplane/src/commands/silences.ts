import type { Silence, StoredAlert } from '@tocsin/openapi';
import type { Command } from 'commander';
import { jsonText, printable } from '../delivery/text.ts';
import { ApiClient, type ApiFlags, withApiFlags } from './api-client.ts';
import type { CommandContext } from './context.ts';
import { alertLine, table } from './terminal.ts';

interface AddFlags extends ApiFlags {
  readonly comment: string;
  readonly duration: string;
  readonly start?: string;
  readonly end?: string;
  readonly author?: string;
}

interface ListFlags extends ApiFlags {
  readonly expired?: boolean;
}

/** `tocsin silences`: what is not told for a while. */
export function silencesCommand(program: Command, context: CommandContext): void {
  const silences = program.command('silences').description('list, add, preview and end silences');
  const write = (text: string) => context.out.write(text);
  const path = (id: string) => `/v1/silences/${encodeURIComponent(id)}`;

  withApiFlags(
    silences
      .command('list', { isDefault: true })
      .description('list silences that are active or will be')
      .option('--expired', 'also those that are over'),
  ).action(async (flags: ListFlags) => {
    const client = new ApiClient(flags, context);
    const { items } = await client.call<{ items: Silence[] }>('GET', '/v1/silences');
    const wanted = items.filter(({ state }) => flags.expired || state !== 'expired');
    write(flags.json ? `${jsonText(wanted)}\n` : listed(wanted));
  });

  withApiFlags(silences.command('show <id>').description('show a silence')).action(
    async (id: string, flags: ApiFlags) => {
      write(`${jsonText(await new ApiClient(flags, context).call('GET', path(id)))}\n`);
    },
  );

  withApiFlags(
    silences.command('add <matcher...>').description('silence alerts that fit all matchers'),
  )
    .requiredOption('--comment <text>', 'why')
    .option('--duration <duration>', 'for how long', '2h')
    .option('--end <time>', 'until when, instead of --duration: 2026-01-31T12:00:00Z')
    .option('--start <time>', 'from when on; now without it')
    .option('--author <name>', 'who; the name of the token without it')
    .action(async (matchers: string[], flags: AddFlags) => {
      const { comment, duration, start, end, author } = flags;
      const silence = await new ApiClient(flags, context).call<Silence>('POST', '/v1/silences', {
        matchers,
        comment,
        ...(end === undefined ? { duration } : { ends_at: end }),
        ...(start !== undefined && { starts_at: start }),
        ...(author !== undefined && { created_by: author }),
      });
      write(flags.json ? `${jsonText(silence)}\n` : `${silence.id}\n`);
    });

  withApiFlags(
    silences
      .command('preview <matcher...>')
      .description('show which of the recent alerts a silence would hide'),
  ).action(async (matchers: string[], flags: ApiFlags) => {
    const client = new ApiClient(flags, context);
    const preview = await client.call<{ looked: number; hidden: number; sample: StoredAlert[] }>(
      'POST',
      '/v1/silences/preview',
      { matchers },
    );
    if (flags.json) {
      write(`${jsonText(preview)}\n`);
      return;
    }
    for (const alert of preview.sample) write(`${alertLine(alert, context.out.isTTY === true)}\n`);
    context.err.write(`${preview.hidden} of ${preview.looked} recent alerts\n`);
  });

  withApiFlags(silences.command('expire <id>').description('end a silence now')).action(
    async (id: string, flags: ApiFlags) => {
      await new ApiClient(flags, context).call('DELETE', path(id));
      context.err.write(`silence ${printable(id)} is over\n`);
    },
  );
}

function listed(silences: readonly Silence[]): string {
  return table(
    ['ID', 'STATE', 'UNTIL', 'BY', 'MATCHERS', 'COMMENT'],
    silences.map(({ id, state, ends_at, created_by, matchers, comment }) => [
      id,
      state,
      ends_at,
      created_by,
      matchers.map((set) => set.join(' ')).join(' | '),
      comment,
    ]),
  );
}
