/**
 * Signatures of Standard Webhooks 1.0.0 over `id.timestamp.body`: scheme `v1` is HMAC-SHA256 with a secret both sides know, `v1a`
 * is Ed25519, where the receiver has only the public key.
 */
import { createHmac, createPrivateKey, createPublicKey, sign } from 'node:crypto';
import { ChannelSettingsError } from '../../outcome.ts';

/** Signs the bytes of a message; the scheme and the base64 of the signature, as the header holds them. */
export type Signer = (message: string) => string;

const SHARED = 'whsec_';
const PRIVATE = 'whsk_';
const SEED_BYTES = 32;
/** What stands before the seed of an Ed25519 key in PKCS #8 (RFC 8410). */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');
/** What stands before the key in SubjectPublicKeyInfo. */
const SPKI_BYTES = 12;

/**
 * Reads a secret: after `whsk_` the base64 of an Ed25519 seed, which the public key may follow; after `whsec_` that of a shared key;
 * anything else is a shared key itself. Throws ChannelSettingsError, which names the setting and not the secret.
 */
export function readSigner(setting: string, secret: string): Signer {
  if (secret.startsWith(PRIVATE)) return asymmetric(setting, readBase64(setting, PRIVATE, secret));
  const key = secret.startsWith(SHARED) ? readBase64(setting, SHARED, secret) : Buffer.from(secret);
  return (message) => `v1,${createHmac('sha256', key).update(message).digest('base64')}`;
}

function asymmetric(setting: string, bytes: Buffer): Signer {
  const seed = bytes.subarray(0, SEED_BYTES);
  const given = bytes.subarray(SEED_BYTES);
  if (seed.length < SEED_BYTES)
    throw new ChannelSettingsError(
      `${setting}: what follows ${PRIVATE} must be 32 bytes, which the 32 of the public key may follow.`,
    );
  const key = createPrivateKey({
    key: Buffer.concat([PKCS8, seed]),
    format: 'der',
    type: 'pkcs8',
  });
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' });
  if (given.length > 0 && !given.equals(spki.subarray(SPKI_BYTES)))
    throw new ChannelSettingsError(
      `${setting}: the public key in it does not belong to the private one.`,
    );
  return (message) => `v1a,${sign(null, Buffer.from(message), key).toString('base64')}`;
}

function readBase64(setting: string, prefix: string, secret: string): Buffer {
  const encoded = secret.slice(prefix.length);
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(encoded) || encoded.replace(/=+$/, '').length % 4 === 1)
    throw new ChannelSettingsError(`${setting}: what follows ${prefix} must be base64.`);
  return Buffer.from(encoded, 'base64');
}

/** An id as the signature needs it: with nothing in it that could be taken for the end of it. Ids hold names of channels. */
const idOf = (id: string): string =>
  id.replace(/[^\w-]/g, (character) => `~${character.charCodeAt(0).toString(16)}~`);

/** The three headers of one attempt, signed with each key. `id` is the same in all attempts, the time is that of this one. */
export function signatureHeaders(
  notification: string,
  nowMs: number,
  body: string,
  signers: readonly Signer[],
): Record<'webhook-id' | 'webhook-timestamp' | 'webhook-signature', string> {
  const timestamp = String(Math.floor(nowMs / 1000));
  const id = idOf(notification);
  return {
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': signers.map((signer) => signer(`${id}.${timestamp}.${body}`)).join(' '),
  };
}
