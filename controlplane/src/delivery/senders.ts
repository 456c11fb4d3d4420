/** The senders of this process: made when first needed, made anew when their channel changed. */
import type { Channel } from '@tocsin/openapi';
import type { ChannelKind, Sender } from './channel.ts';
import { ChannelSettingsError } from './outcome.ts';
import { hideSecrets, resolveSecrets } from './secrets.ts';

export type Environment = Readonly<Record<string, string | undefined>>;
export type FindKind = (name: string) => ChannelKind | undefined;

/** Makes the sender of a channel, its secrets resolved now; what it tells holds none of them. Throws ChannelSettingsError. */
export function createSender(
  channel: Channel,
  findKind: FindKind,
  environment: Environment,
): Sender {
  const kind = findKind(channel.kind);
  if (!kind) throw new ChannelSettingsError(`there is no channel kind '${channel.kind}'.`);
  const secrets: string[] = [];
  const sender = kind.create(resolveSecrets(kind.settings, channel.settings, environment, secrets));
  const hide = hideSecrets(secrets);
  return {
    async send(notification, options) {
      const outcome = await sender.send(notification, options);
      return { ...outcome, detail: hide(outcome.detail) };
    },
    preview: (notification) =>
      sender.preview(notification).map((part) => ({ ...part, body: hide(part.body) })),
    close: () => sender.close(),
  };
}

export class Senders {
  readonly #findKind: FindKind;
  readonly #environment: Environment;
  readonly #open = new Map<
    string,
    { readonly channel: Channel; readonly definition: string; readonly sender: Sender }
  >();

  constructor(findKind: FindKind, environment: Environment) {
    this.#findKind = findKind;
    this.#environment = environment;
  }

  /** The sender of a channel as it is now. Throws ChannelSettingsError. */
  get(channel: Channel): Sender {
    const open = this.#open.get(channel.name);
    if (open?.channel === channel) return open.sender;
    const definition = JSON.stringify([channel.kind, channel.settings]);
    if (open?.definition === definition) return open.sender;
    this.drop(channel.name);
    const sender = createSender(channel, this.#findKind, this.#environment);
    this.#open.set(channel.name, { channel, definition, sender });
    return sender;
  }

  /** Forgets a sender: the next one reads its secrets again. */
  drop(name: string): void {
    const open = this.#open.get(name);
    this.#open.delete(name);
    open?.sender.close().catch(() => {});
  }

  async close(): Promise<void> {
    const senders = [...this.#open.values()];
    this.#open.clear();
    await Promise.allSettled(senders.map(({ sender }) => sender.close()));
  }
}
