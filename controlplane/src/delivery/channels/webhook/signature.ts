/** Signatures of Standard Webhooks 1.0.0, scheme `v1`: HMAC-SHA256 over `id.timestamp.body`. */
import { createHmac } from 'node:crypto';
import { ChannelSettingsError } from '../../outcome.ts';

const PREFIX = 'whsec_';

/** The key of a secret: base64 after `whsec_`, otherwise the bytes of the text itself. Throws ChannelSettingsError. */
export function readSigningKey(secret: string): Buffer {
  if (!secret.startsWith(PREFIX)) return Buffer.from(secret);
  const encoded = secret.slice(PREFIX.length);
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(encoded) || encoded.replace(/=+$/, '').length % 4 === 1)
    throw new ChannelSettingsError(`secret: what follows ${PREFIX} must be base64.`);
  return Buffer.from(encoded, 'base64');
}

/** The three headers of one attempt. `id` is the same in all attempts, the time is that of this one. */
export function signatureHeaders(
  id: string,
  nowMs: number,
  body: string,
  key: Buffer,
): Record<'webhook-id' | 'webhook-timestamp' | 'webhook-signature', string> {
  const timestamp = String(Math.floor(nowMs / 1000));
  const signature = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64');
  return {
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': `v1,${signature}`,
  };
}
