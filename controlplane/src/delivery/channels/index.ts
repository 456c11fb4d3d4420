/** @module The one list of channel kinds: a new kind is a folder and a line here. */
import type { ChannelKind } from '../channel.ts';
import { logKind } from './log/index.ts';
import { webhookKind } from './webhook/index.ts';

export const CHANNEL_KINDS: readonly ChannelKind[] = [logKind, webhookKind];

const byName = new Map(CHANNEL_KINDS.map((kind) => [kind.kind, kind]));

/** The kind of this name; undefined when there is none. */
export const findChannelKind = (name: string): ChannelKind | undefined => byName.get(name);
