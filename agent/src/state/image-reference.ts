import type { ByteString } from '../rules/field.ts';

/** The parts of an image reference such as `registry:5000/team/app:1.2@sha256:...`. */
export interface ImageReference {
  readonly repository: ByteString;
  readonly tag: ByteString;
  readonly digest: ByteString;
}

/** Splits a reference: a colon separates the tag only behind the last slash, so registries may have ports. An id names nothing. */
export function parseImageReference(reference: ByteString): ImageReference {
  if (/^sha256:[0-9a-f]{64}$/.test(reference)) return { repository: '', tag: '', digest: '' };
  const at = reference.indexOf('@');
  const named = at < 0 ? reference : reference.slice(0, at);
  const digest = at < 0 ? '' : reference.slice(at + 1);
  const colon = named.indexOf(':', named.lastIndexOf('/') + 1);
  return colon < 0
    ? { repository: named, tag: '', digest }
    : { repository: named.slice(0, colon), tag: named.slice(colon + 1), digest };
}
