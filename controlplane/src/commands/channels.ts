import { readFileSync } from 'node:fs';
import type { ShownChannel } from '@tocsin/openapi';
import type { Command } from 'commander';
import { parse } from 'yaml';
import { checkFileChannels } from '../channels/definition.ts';
import type { Outcome, Preview } from '../delivery/channel.ts';
import { findChannelKind } from '../delivery/channels/index.ts';
import { ChannelSettingsError } from '../delivery/outcome.ts';
import { TemplateError } from '../delivery/template.ts';
import { previewOf } from '../delivery/test-send.ts';
import { jsonLine, jsonText, printable } from '../delivery/text.ts';
import { readSettings } from '../settings.ts';
import { ApiClient, ApiError, type ApiFlags, withApiFlags } from './api-client.ts';
import type { CommandContext } from './context.ts';
import { table } from './terminal.ts';

interface CreateFlags extends ApiFlags {
  readonly file?: string;
  readonly kind?: string;
  readonly minimumPriority?: string;
  readonly setting?: readonly string[];
}

interface PreviewFlags extends ApiFlags {
  readonly alert?: string;
  readonly file?: string;
}

const STDIN = 0;
const collect = (value: string, before: readonly string[] = []) => [...before, value];

/** `tocsin channels`: where alerts are told. */
export function channelsCommand(program: Command, context: CommandContext): void {
  const channels = program
    .command('channels')
    .description(
      'list, create, preview, test, pause and delete channels; what was sent, and what was given up',
    );
  deliveryCommands(channels, context);
  const write = (text: string) => context.out.write(text);
  const path = (name: string) => `/v1/channels/${encodeURIComponent(name)}`;

  withApiFlags(
    channels.command('list', { isDefault: true }).description('list the channels'),
  ).action(async (flags: ApiFlags) => {
    const client = new ApiClient(flags, context);
    const { items } = await client.call<{ items: ShownChannel[] }>('GET', '/v1/channels');
    write(flags.json ? `${jsonText(items)}\n` : listed(items));
  });

  withApiFlags(channels.command('show <name>').description('show a channel')).action(
    async (name: string, flags: ApiFlags) => {
      const channel = await new ApiClient(flags, context).call('GET', path(name));
      write(`${jsonText(channel)}\n`);
    },
  );

  withApiFlags(channels.command('create [name]').description('create a channel'))
    .option('--file <file>', 'YAML or JSON with the whole channel; - is stdin')
    .option(
      '--kind <kind>',
      'email, slack, webhook, syslog, …: GET /openapi.json and the README list all',
    )
    .option('--minimum-priority <priority>', 'tell only this priority and more severe ones')
    .option('--setting <key=value>', 'one of its settings; the value may be JSON', collect)
    .action(async (name: string | undefined, flags: CreateFlags) => {
      const client = new ApiClient(flags, context);
      const channel = await client.call<ShownChannel>(
        'POST',
        '/v1/channels',
        definitionOf(name, flags),
      );
      if (flags.json) write(`${jsonText(channel)}\n`);
      else context.err.write(`channel ${channel.name} is created\n`);
    });

  withApiFlags(channels.command('delete <name>').description('delete a channel')).action(
    async (name: string, flags: ApiFlags) => {
      await new ApiClient(flags, context).call('DELETE', path(name));
      context.err.write(`channel ${name} is deleted\n`);
    },
  );

  withApiFlags(channels.command('test <name>').description('send a test notification')).action(
    async (name: string, flags: ApiFlags) => {
      const outcome = await new ApiClient(flags, context).call<Outcome>(
        'POST',
        `${path(name)}/test`,
      );
      write(
        flags.json ? `${jsonLine(outcome)}\n` : `${outcome.result}: ${printable(outcome.detail)}\n`,
      );
      if (outcome.result !== 'ok') throw new ApiError(`The test of channel ${name} failed.`);
    },
  );

  withApiFlags(
    channels
      .command('preview [name]')
      .description(
        'show what would be sent, without sending it; with --config, as the channel stands in that file, without a control plane',
      ),
  )
    .option('--alert <id>', 'of this alert; without it, of a sample')
    .option('--file <file>', 'YAML or JSON with a whole channel that is not stored; - is stdin')
    .action(async (name: string | undefined, flags: PreviewFlags) => {
      const items = await previewBy(name, flags, context);
      write(flags.json ? `${jsonText(items)}\n` : items.map(shown).join('\n'));
    });

  withApiFlags(
    channels
      .command('validate')
      .description('check a channel as creating it would, and that its secrets are there'),
  )
    .requiredOption('--file <file>', 'YAML or JSON with the whole channel; - is stdin')
    .action(async (flags: CreateFlags) => {
      const definition = definitionOf(undefined, flags);
      await new ApiClient(flags, context).call('POST', '/v1/channels/validate', definition);
      context.err.write('the channel can be used\n');
    });
}

async function previewBy(
  name: string | undefined,
  flags: PreviewFlags,
  context: CommandContext,
): Promise<readonly Preview[]> {
  const alert = flags.alert === undefined ? {} : { alert: flags.alert };
  if (flags.file === undefined && name === undefined)
    throw new ApiError('Give the NAME of a channel, or a whole channel with --file.');
  // An alert is known to a control plane alone.
  if (flags.file === undefined && flags.config !== undefined && flags.alert === undefined)
    return previewOfFile(String(name), flags, context);
  const client = new ApiClient(flags, context);
  const { items } = await (flags.file === undefined
    ? client.call<{ items: Preview[] }>(
        'POST',
        `/v1/channels/${encodeURIComponent(String(name))}/preview`,
        alert,
      )
    : client.call<{ items: Preview[] }>('POST', '/v1/channels/preview', {
        channel: definitionOf(name, flags),
        ...alert,
      }));
  return items;
}

/** What a channel of the configuration file would send of a sample, whether or not a control plane runs. */
async function previewOfFile(
  name: string,
  flags: ApiFlags,
  { environment }: CommandContext,
): Promise<readonly Preview[]> {
  const { config, file } = readSettings(flags, environment);
  const { channels } = checkFileChannels(config, findChannelKind);
  const channel = channels.find((one) => one.name === name);
  if (!channel)
    throw new ApiError(
      `There is no channel named ${name} in ${file}; without --config, the control plane is asked.`,
    );
  try {
    return await previewOf(channel, undefined, findChannelKind, environment);
  } catch (error) {
    if (error instanceof TemplateError || error instanceof ChannelSettingsError)
      throw new ApiError(`Nothing can be shown: ${error.message}`, { cause: error });
    throw error;
  }
}

function shown({ part, content_type, body }: Preview): string {
  const lines = body
    .replace(/\n$/, '')
    .split('\n')
    .map((line) => printable(line));
  const heading = part === undefined ? content_type : `${part} (${content_type})`;
  return `== ${heading}\n${lines.join('\n')}\n`;
}

/** What a channel was sent, what was given up, and what holds it back. */
function deliveryCommands(channels: Command, context: CommandContext): void {
  const write = (text: string) => context.out.write(text);
  const path = (name: string, rest: string) => `/v1/channels/${encodeURIComponent(name)}/${rest}`;

  withApiFlags(
    channels.command('status <name>').description('show what holds a channel back and what waits'),
  ).action(async (name: string, flags: ApiFlags) => {
    write(`${jsonText(await new ApiClient(flags, context).call('GET', path(name, 'status')))}\n`);
  });

  withApiFlags(
    channels.command('pause <name>').description('tell nothing there; what waits is kept'),
  )
    .option('--until <time>', 'RFC 3339; until it is resumed without it')
    .action(async (name: string, flags: ApiFlags & { until?: string }) => {
      const body = flags.until === undefined ? {} : { until: flags.until };
      await new ApiClient(flags, context).call('POST', path(name, 'pause'), body);
      context.err.write(`channel ${name} is paused\n`);
    });

  withApiFlags(channels.command('resume <name>').description('end a pause')).action(
    async (name: string, flags: ApiFlags) => {
      await new ApiClient(flags, context).call('POST', path(name, 'resume'));
      context.err.write(`channel ${name} goes on\n`);
    },
  );

  withApiFlags(
    channels.command('deliveries <name>').description('list the last attempts, newest first'),
  ).action(async (name: string, flags: ApiFlags) => {
    const { items } = await new ApiClient(flags, context).call<{ items: Attempt[] }>(
      'GET',
      path(name, 'deliveries'),
    );
    write(
      flags.json
        ? `${jsonText(items)}\n`
        : table(
            ['TIME', 'NOTIFICATION', 'RESULT', 'ANSWER'],
            items.map(({ time, notification, result, reason, detail }) => [
              ...[time, printable(notification), reason ? `${result} ${reason}` : result],
              printable(detail),
            ]),
          ),
    );
  });

  withApiFlags(
    channels.command('dead-letters <name>').description('list what was given up'),
  ).action(async (name: string, flags: ApiFlags) => {
    const { items } = await new ApiClient(flags, context).call<{ items: Letter[] }>(
      'GET',
      path(name, 'dead-letters'),
    );
    write(
      flags.json
        ? `${jsonText(items)}\n`
        : table(
            ['TIME', 'NOTIFICATION', 'RULES', 'WHY'],
            items.map(({ time, id, rules, reason, detail }) => [
              ...[time, printable(id), printable(rules.join(', '))],
              `${reason}: ${printable(detail)}`,
            ]),
          ),
    );
  });

  withApiFlags(channels.command('redrive <name>').description('send again what was given up'))
    .option('--rule <rule>', 'only of this rule')
    .option('--reason <reason>', 'only what was given up for this reason')
    .action(async (name: string, flags: ApiFlags & { rule?: string; reason?: string }) => {
      const { rule, reason } = flags;
      const body = { ...(rule !== undefined && { rule }), ...(reason !== undefined && { reason }) };
      const { count } = await new ApiClient(flags, context).call<{ count: number }>(
        'POST',
        path(name, 'dead-letters/redrive'),
        body,
      );
      context.err.write(`${count} are sent again\n`);
    });
}

interface Attempt {
  readonly time: string;
  readonly notification: string;
  readonly result: string;
  readonly reason: string | null;
  readonly detail: string;
}

interface Letter {
  readonly time: string;
  readonly id: string;
  readonly rules: readonly string[];
  readonly reason: string;
  readonly detail: string;
}

function listed(channels: readonly ShownChannel[]): string {
  return table(
    ['NAME', 'KIND', 'MINIMUM PRIORITY', 'DEFINED IN'],
    channels.map(({ name, kind, minimum_priority, origin }) => [
      name,
      kind,
      String(minimum_priority),
      String(origin),
    ]),
  );
}

function definitionOf(name: string | undefined, flags: CreateFlags): unknown {
  if (flags.file !== undefined) {
    const source = flags.file === '-' ? STDIN : flags.file;
    try {
      const definition: unknown = parse(readFileSync(source, 'utf8'), { maxAliasCount: 100 });
      return name === undefined ? definition : { ...(definition as object), name };
    } catch (error) {
      throw new ApiError(`${flags.file} cannot be read: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }
  if (name === undefined || flags.kind === undefined) {
    throw new ApiError('Give a NAME and --kind, or the whole channel with --file.');
  }
  const settings = Object.fromEntries((flags.setting ?? []).map(settingOf));
  const { kind, minimumPriority } = flags;
  return { name, kind, settings, ...(minimumPriority && { minimum_priority: minimumPriority }) };
}

function settingOf(text: string): [string, unknown] {
  const [, key, value] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
  if (key === undefined || value === undefined) throw new ApiError(`'${text}' is not key=value.`);
  try {
    return [key, JSON.parse(value)];
  } catch {
    return [key, value];
  }
}
