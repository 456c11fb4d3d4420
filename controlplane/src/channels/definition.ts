import { Channel, explainErrors, PRIORITIES, type Problem } from '@tocsin/openapi';
import { Default } from 'typebox/value';
import type { ChannelKind } from '../delivery/channel.ts';

export type FindKind = (name: string) => ChannelKind | undefined;
/** What is wrong with a channel, and where. */
export type Complaints = NonNullable<Problem['errors']>;

/** The least severe priority: a channel that names none is told everything. */
const LEAST = String(PRIORITIES.at(-1)).toLowerCase();

/** A channel with all defaults filled in, or what is wrong with it. */
export type Checked =
  | { readonly ok: true; readonly channel: Channel; readonly kind: ChannelKind }
  | { readonly ok: false; readonly errors: Complaints };

/** Checks a channel as a whole: the part every kind shares, and the settings by its kind. */
export function checkChannel(
  given: Omit<Channel, 'minimum_priority'> & { minimum_priority?: string },
  findKind: FindKind,
): Checked {
  const channel: Channel = { ...given, minimum_priority: given.minimum_priority ?? LEAST };
  const shared = explainErrors(Channel, channel);
  if (shared.length > 0) return { ok: false, errors: shared };
  const kind = findKind(channel.kind);
  if (!kind) {
    return {
      ok: false,
      errors: [{ pointer: '/kind', message: `there is no kind '${channel.kind}'` }],
    };
  }
  const settings = Default(kind.settings, structuredClone(channel.settings)) as Channel['settings'];
  const errors = explainErrors(kind.settings, settings).map(({ pointer, message }) => ({
    pointer: `/settings${pointer}`,
    message,
  }));
  return errors.length > 0
    ? { ok: false, errors }
    : { ok: true, channel: { ...channel, settings }, kind };
}
