/** @module The one list of channel kinds: a new kind is a folder and a line here. */
import type { ChannelKind } from '../channel.ts';
import { discordKind } from './discord/index.ts';
import { elasticsearchKind } from './elasticsearch/index.ts';
import { emailKind } from './email/index.ts';
import { kafkaKind } from './kafka/index.ts';
import { logKind } from './log/index.ts';
import { mattermostKind } from './mattermost/index.ts';
import { noneKind } from './none/index.ts';
import { ntfyKind } from './ntfy/index.ts';
import { opsgenieKind } from './opsgenie/index.ts';
import { pagerdutyKind } from './pagerduty/index.ts';
import { programKind } from './program/index.ts';
import { slackKind } from './slack/index.ts';
import { splunkKind } from './splunk/index.ts';
import { syslogKind } from './syslog/index.ts';
import { teamsKind } from './teams/index.ts';
import { telegramKind } from './telegram/index.ts';
import { webhookKind } from './webhook/index.ts';

export const CHANNEL_KINDS: readonly ChannelKind[] = [
  emailKind,
  slackKind,
  teamsKind,
  discordKind,
  mattermostKind,
  telegramKind,
  ntfyKind,
  pagerdutyKind,
  opsgenieKind,
  webhookKind,
  programKind,
  syslogKind,
  elasticsearchKind,
  splunkKind,
  kafkaKind,
  logKind,
  noneKind,
];

const byName = new Map(CHANNEL_KINDS.map((kind) => [kind.kind, kind]));

/** The kind of this name; undefined when there is none. */
export const findChannelKind = (name: string): ChannelKind | undefined => byName.get(name);
