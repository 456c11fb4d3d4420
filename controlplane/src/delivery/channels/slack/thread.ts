/**
 * A thread for each group: the message that began it shows what the group is now, and replies tell what came. What was posted is
 * kept step by step, so that another attempt goes on where one stopped. Of a worker that dies between a post and its note nobody knows
 * whether it posted; what is posted then says so.
 */
import { hash } from 'node:crypto';
import type { GroupNotification } from '../../../routing/notification.ts';
import { labelsText } from '../../../routing/tree.ts';
import type { Labels } from '../../../routing/types.ts';
import type { Memory, Notification, Outcome, ShownAlert } from '../../channel.ts';
import { ok, retry } from '../../outcome.ts';
import type { Answered, Method } from './send.ts';

/** A notification that a group says. */
export type GroupSays = Notification & { readonly group: GroupNotification };

/** What is kept of a group. */
interface Thread {
  /** The channel as the settings name it: a thread in another one is none of ours. */
  readonly setting: string;
  /** The message that began it: id of its channel, and its time stamp. */
  readonly channel: string;
  readonly ts: string;
  /** The notification that it shows, and the last one that was told whole. */
  readonly shown: string;
  readonly told: string;
  /** Nothing fires any more: what comes begins another thread. */
  readonly over: boolean;
  /** Digests of the labels of what was told to fire. */
  readonly firing: readonly string[];
}

export interface ThreadParts {
  readonly setting: string;
  readonly memory: Memory;
  /** Tells the whole notification: as a new message, or in place of the one at `target`. */
  readonly tellWhole: (method: Method, target: object) => Promise<Answered>;
  /** Tells these of its alerts in the thread at `target`. */
  readonly tellNews: (target: object, alerts: readonly ShownAlert[]) => Promise<Answered>;
}

/** The message that began the thread cannot be changed or answered: it was deleted, is too old, or its channel has no threads. */
const GONE =
  /^(message_not_found|cant_update_message|edit_window_closed|thread_not_found|cannot_reply_to_message|restricted_action_(thread_locked|non_threadable_channel))$/;

/** Labels of so many alerts are remembered; more are not shown anyway. */
const MAX_KNOWN = 100;

export async function tellInThread(parts: ThreadParts, says: GroupSays): Promise<Outcome> {
  const { setting, memory, tellWhole } = parts;
  const { id, group } = says;
  const known = readThread(memory.known, setting);
  if (known?.told === id) return ok(`told before, as ${known.ts}`);
  const isNew = known?.over || group.reason === 'first notification';
  if (known === undefined || (isNew && known.shown !== id)) return begin(parts, says);
  let thread = known;
  if (thread.shown !== id) {
    const { channel, ts } = thread;
    const { outcome, error } = await tellWhole('chat.update', { channel, ts });
    if (GONE.test(error ?? '')) return begin(parts, says);
    if (outcome.result === 'ambiguous') return retry(outcome.reason, outcome.detail);
    if (outcome.result !== 'ok') return outcome;
    thread = { ...thread, shown: id, over: group.counts.firing === 0 };
    await keep(memory, thread);
  }
  const { channel, ts } = thread;
  const news = newsOf(says, new Set(thread.firing));
  const { outcome, error } = await parts.tellNews({ channel, thread_ts: ts }, news);
  if (GONE.test(error ?? '')) return begin(parts, says);
  if (outcome.result !== 'ok') return outcome;
  await keep(memory, { ...thread, told: id, firing: firingOf(group) });
  return ok(`${outcome.detail}, below ${ts}`);
}

async function begin({ setting, memory, tellWhole }: ThreadParts, says: GroupSays) {
  const { id, group } = says;
  const { outcome, message } = await tellWhole('chat.postMessage', { channel: setting });
  if (message === undefined) return outcome;
  const over = group.counts.firing === 0;
  await keep(memory, {
    ...{ setting, ...message, shown: id, told: id, over },
    firing: firingOf(group),
  });
  return outcome;
}

const keep = (memory: Memory, thread: Thread): Promise<void> => memory.keep(JSON.stringify(thread));

function readThread(text: string | undefined, setting: string): Thread | undefined {
  const thread = text === undefined ? undefined : (JSON.parse(text) as Thread);
  return thread?.setting === setting ? thread : undefined;
}

const digestOf = (labels: Labels): string =>
  hash('sha256', labelsText(labels), 'base64url').slice(0, 12);

const firingOf = ({ firing }: GroupNotification): string[] =>
  firing.slice(0, MAX_KNOWN).map(({ labels }) => digestOf(labels));

/** What was not told to fire before, and what ended; the one alert of a group that has no other is always worth telling. */
function newsOf({ group, alerts }: GroupSays, known: ReadonlySet<string>): readonly ShownAlert[] {
  const told = [...group.firing, ...group.resolved];
  const news = alerts.filter(({ status }, position) => {
    const labels = told[position]?.labels;
    return status === 'resolved' || labels === undefined || !known.has(digestOf(labels));
  });
  return news.length === 0 && alerts.length === 1 ? alerts : news;
}
