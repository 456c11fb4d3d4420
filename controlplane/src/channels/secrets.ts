/** How the secrets of a channel look in three places: as given, at rest (sealed) and as shown (hidden). */
import type { Channel } from '@tocsin/openapi';
import type { ChannelKind } from '../delivery/channel.ts';
import { mapSecrets } from '../delivery/secrets.ts';
import type { Sealer } from './sealing.ts';

/** What stands for a given secret where a channel is shown. */
export const HIDDEN = '<hidden>';
type Settings = Channel['settings'];

const contextOf = (channel: string, path: string) => `channel ${channel} ${path}`;

/** Settings as they are stored: each given `value` is sealed. */
export function sealSettings(kind: ChannelKind, channel: Channel, sealer: Sealer): Settings {
  return mapSecrets(kind.settings, channel.settings, (reference, path) =>
    'value' in reference
      ? { sealed: sealer.seal(reference.value, contextOf(channel.name, path)) }
      : reference,
  );
}

/** Settings as they were given. Throws when a secret was sealed with another key. */
export function openSettings(kind: ChannelKind, channel: Channel, sealer: Sealer): Settings {
  return mapSecrets(kind.settings, channel.settings, (reference, path) => {
    const { sealed } = reference as { sealed?: string };
    if (sealed === undefined) return reference;
    return { value: sealer.open(sealed, contextOf(channel.name, path)) };
  });
}

/** A channel as it may be shown: no secret in it, only where it comes from. */
export function hideSecrets(kind: ChannelKind, channel: Channel): Channel {
  const settings = mapSecrets(kind.settings, channel.settings, (reference) =>
    'env' in reference || 'file' in reference ? reference : { value: HIDDEN },
  );
  return { ...channel, settings };
}

/** Puts known secrets back where a changed channel only repeats what was shown. */
export function keepHidden(kind: ChannelKind, changed: Settings, known: Settings): Settings {
  const secrets = new Map<string, unknown>();
  mapSecrets(kind.settings, known, (reference, path) => {
    secrets.set(path, reference);
    return reference;
  });
  return mapSecrets(kind.settings, changed, (reference, path) =>
    'value' in reference && reference.value === HIDDEN
      ? (secrets.get(path) ?? reference)
      : reference,
  );
}
