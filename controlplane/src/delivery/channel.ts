/**
 * The contract of a channel kind. A kind lives in one folder below `channels/`, declares its settings schema, renders purely, makes
 * one attempt and tells how it ended. Retry, rate, order, dead letters and metrics are written once around it.
 */
import type { Channel, StoredAlert } from '@tocsin/openapi';
import type { TObject } from 'typebox';
import type { GroupNotification } from '../routing/notification.ts';

/** An alert as it is told. */
export interface ShownAlert extends StoredAlert {
  /** In a group: whether it still fires. */
  readonly status?: 'firing' | 'resolved';
}

/** What one delivery tells. */
export interface Notification {
  /** The same in every attempt; becomes Message-ID, webhook-id and the like. No `.` or `:` inside. */
  readonly id: string;
  readonly channel: string;
  /** RFC 3339, when it was decided. */
  readonly time: string;
  /** What is told in full, oldest first; at least one unless `held` says more. */
  readonly alerts: readonly ShownAlert[];
  /** Alerts told as a number only, "+37 more": held back by the throttle or a full lane, or no longer stored when their turn came. */
  readonly held: {
    readonly count: number;
    readonly byRule: readonly { readonly rule: string; readonly count: number }[];
    /** It is the digest of a channel that is told no more, and not what was too much. */
    readonly digest?: boolean;
    /** Of a digest: alerts that ended. */
    readonly ended?: number;
  };
  /** What a group says: `alerts` are those of it that are told in full, what fires first. */
  readonly group?: GroupNotification;
  /** Made by `POST /v1/channels/{name}/test`. */
  readonly test: boolean;
  /** An earlier attempt may have been received: the receiver may see this notification twice. */
  readonly repeated?: boolean;
}

/** Why an attempt failed: the closed set that metrics and the timeline use. */
export const FAILURE_REASONS = [
  'timeout',
  'connection',
  'tls',
  'dns',
  'blocked',
  'rate_limited',
  'client_error',
  'server_error',
  'auth',
  'configuration',
  'rendering',
  'exit_status',
  'aborted',
] as const;
export type FailureReason = (typeof FAILURE_REASONS)[number];

/** How one attempt ended. `detail` holds the provider's own words, bounded and free of secrets. */
export type Outcome =
  | {
      readonly result: 'ok';
      readonly detail: string;
      /** Recipients who will not get it though others did. */
      readonly refused?: number;
    }
  | {
      readonly result: 'retry';
      readonly reason: FailureReason;
      readonly detail: string;
      readonly retryAfterMs?: number;
      /** Some of it was taken before the rest was not. */
      readonly partly?: true;
    }
  | {
      readonly result: 'permanent';
      readonly reason: FailureReason;
      readonly detail: string;
      readonly partly?: true;
    }
  /** The request may or may not have been taken; sent again with the same id. */
  | {
      readonly result: 'ambiguous';
      readonly reason: FailureReason;
      readonly detail: string;
      readonly retryAfterMs?: number;
    };

/** Settings after validation, every secret reference resolved to its text. */
export type ResolvedSettings = Readonly<Record<string, unknown>>;

/** A part of what a channel would send. */
export interface Preview {
  /** What it is of the message, where this has several parts: `subject`, `text`. */
  readonly part?: string;
  readonly content_type: string;
  readonly body: string;
}

/** What a channel keeps of the group that it is told of, from one notification to the next. */
export interface Memory {
  /** What was kept last; undefined: nothing, or too long ago. */
  readonly known: string | undefined;
  /** Keeps a text. Never fails: what could not be kept is not known later. */
  keep(text: string): Promise<void>;
}

export interface SendOptions {
  readonly signal: AbortSignal;
  /** For kinds that ask for it, and notifications of groups. */
  readonly memory?: Memory | undefined;
}

export interface Sender {
  /** One attempt. Never throws for what a provider or network can do; throws only on a bug. */
  send(notification: Notification, options: SendOptions): Promise<Outcome>;
  /** What `send` would send, secrets included. Throws TemplateError. */
  preview(notification: Notification): readonly Preview[];
  /** Closes pools and children. Idempotent. */
  close(): Promise<void>;
}

export interface ChannelKind {
  readonly kind: string;
  /** Unknown keys are refused; secrets are `SecretReference`. */
  readonly settings: TObject;
  /** What a channel tells at a time if it does not say; `grouped` without it. */
  readonly mode?: Channel['mode'];
  /** Each alert is a record of its own in what is sent, so that several can be sent together and are still told apart. */
  readonly records?: true;
  /** It keeps something of each group. */
  readonly remembers?: true;
  /** Sends to one channel at a time, of which one is kept for what is urgent; 4 without it. Lanes keep their own order in any case. */
  readonly parallel?: number;
  /** `file`: never through the API (it would be remote code execution). */
  readonly origin: 'any' | 'file';
  /** Settings that name files of this machine or ways out of it: never through the API, whose users have a token and not the machine. */
  readonly fileSettings?: readonly string[];
  /** Settings that decide where secrets are sent: when one changes, secrets that are hidden must be given again. */
  readonly destination?: readonly string[];
  /** Checks what the schema cannot, before secrets are resolved. Throws ChannelSettingsError. */
  check?(settings: Readonly<Record<string, unknown>>): void;
  create(settings: ResolvedSettings): Sender;
}
