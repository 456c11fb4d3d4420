/**
 * What a channel made over the API may not do. Whoever has a token has neither the files nor the environment of the control plane,
 * and a secret that is hidden from him must not be sent to where he can read it.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Channel, Complaint } from '@tocsin/openapi';
import type { ChannelKind } from '../delivery/channel.ts';
import { mapSecrets } from '../delivery/secrets.ts';

import { HIDDEN } from './secrets.ts';

type Settings = Channel['settings'];

/** Variables that the operator set for channels; all others belong to the process. */
const SECRET_VARIABLE = /^TOCSIN_SECRET_\w+$/;

/** Complaint[] about settings that are only taken from the configuration file. */
export function checkApiSettings(kind: ChannelKind, settings: Settings): Complaint[] {
  const complaints: Complaint[] = (kind.fileSettings ?? [])
    .filter((name) => settings[name] !== undefined)
    .map((name) => ({
      pointer: `/settings/${name}`,
      message: `${name} belongs to the machine of the control plane: it is only taken from the configuration file`,
    }));
  mapSecrets(kind.settings, settings, (reference, path, pointer) => {
    const complain = (message: string) =>
      complaints.push({ pointer: `/settings${pointer}`, message: `${path} ${message}` });
    if ('file' in reference) {
      complain(
        'must be a value or an env: a file is only taken from the configuration file, not over the API',
      );
    } else if ('env' in reference && !SECRET_VARIABLE.test(reference.env)) {
      complain(
        'must name a variable that starts with TOCSIN_SECRET_: others are not taken over the API',
      );
    } else if ('value' in reference && reference.value === HIDDEN) {
      complain('must be given: what is shown in its place is not the secret');
    }
    return reference;
  });
  return complaints;
}

/** Complaint[] about secrets that a change keeps without showing them, though they would go elsewhere than before. */
export function checkKeptSecrets(
  kind: ChannelKind,
  changed: Settings,
  known: Settings,
): Complaint[] {
  const moved = (kind.destination ?? []).filter(
    (name) => !isDeepStrictEqual(changed[name], known[name]),
  );
  if (moved.length === 0) return [];
  const before = new Set<unknown>();
  mapSecrets(kind.settings, known, (reference) => {
    before.add(reference);
    return reference;
  });
  const complaints: Complaint[] = [];
  mapSecrets(kind.settings, changed, (reference, path, pointer) => {
    if ('value' in reference && (reference.value === HIDDEN || before.has(reference))) {
      complaints.push({
        pointer: `/settings${pointer}`,
        message: `${path} must be given again, since ${moved.join(' and ')} changes`,
      });
    }
    return reference;
  });
  return complaints;
}
