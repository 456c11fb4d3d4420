/** What a group says at one moment, in the words that its channel's lane, the senders and a simulation share. */
import type { FlushReason } from './flush.ts';
import type { Labels } from './types.ts';

/** One alert of a group, as it was when the group spoke. */
export interface ToldAlert {
  readonly labels: Labels;
  /** Times are ms since the epoch. */
  readonly starts_at: number;
  /** When it ended; null while it fires. */
  readonly ends_at: number | null;
  /** How often it was seen. */
  readonly count: number;
  readonly last_seen: number;
  /** Ids of stored alerts that show it. */
  readonly samples: readonly string[];
}

/** What a grouped notification tells. */
export interface GroupNotification {
  /** Alertmanager's text of the group, the same in all its notifications. */
  readonly key: string;
  readonly route: string;
  readonly labels: Labels;
  readonly reason: FlushReason;
  /** At most so many as fit; `counts` knows them all. */
  readonly firing: readonly ToldAlert[];
  readonly resolved: readonly ToldAlert[];
  readonly counts: {
    readonly firing: number;
    readonly resolved: number;
    /** Alerts of the group that are held back. */
    readonly held: number;
    /** How often what is told here was seen. */
    readonly seen: number;
  };
  /** It tells of something critical: it goes before what is not. */
  readonly urgent?: boolean;
  /** Reasons of earlier updates that waited and are told with this one, oldest first. */
  readonly waited?: readonly FlushReason[];
  /** Of a digest: what there was most of. */
  readonly top?: readonly { readonly rule: string; readonly count: number }[];
}
