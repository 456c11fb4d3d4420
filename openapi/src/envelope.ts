/**
 * The signed envelope of a batch: a detached JWS (RFC 7515 appendix F, RFC 7797 `b64: false`, EdDSA with Ed25519) over the
 * exact bytes of the request body, carried in the `Tocsin-Signature` header. Verified before the body is decompressed or parsed.
 */
import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { promisify } from 'node:util';
import { type CryptoKey, decodeProtectedHeader, FlattenedSign, type JWK } from 'jose';

export const SIGNATURE_HEADER = 'tocsin-signature';

/** A signature older than this, or this far in the future, is stale. Seconds. */
export const SIGNATURE_TOLERANCE_SECONDS = 300;

/** What the protected header of a batch says. */
export interface BatchClaims {
  /** RFC 7638 thumbprint of the signing key. */
  readonly kid: string;
  /** Id of the agent. */
  readonly agent: string;
  /** Strictly increasing within one agent, from 1. */
  readonly seq: number;
  /** When it was signed, seconds since the epoch. */
  readonly iat: number;
  /** The control plane it was signed for. */
  readonly aud: string;
}

/** Why an envelope was refused. `detail` is safe to show. */
export class EnvelopeError extends Error {
  readonly code: 'signature_missing' | 'signature_invalid' | 'batch_stale' | 'audience_mismatch';

  constructor(code: EnvelopeError['code'], detail: string) {
    super(detail);
    this.name = 'EnvelopeError';
    this.code = code;
  }
}

const CRITICAL = ['b64'];
/** 64 bytes as base64url. */
const SIGNATURE = /^[\w-]{86}$/;
const verifyBytes = promisify(verify);

/** The public key of an agent, to verify with. Throws when it is none of Ed25519. */
export const verificationKey = (x: string): KeyObject =>
  createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });

/** Signs the exact bytes of a batch; returns the value of the `Tocsin-Signature` header. */
export async function signBatch(
  body: Uint8Array,
  claims: BatchClaims,
  key: CryptoKey | JWK,
): Promise<string> {
  const { kid, agent, seq, iat, aud } = claims;
  const jws = await new FlattenedSign(body)
    .setProtectedHeader({ alg: 'EdDSA', b64: false, crit: CRITICAL, kid, agent, seq, iat, aud })
    .sign(key);
  return `${jws.protected}..${jws.signature}`;
}

const isText = (value: unknown): value is string =>
  typeof value === 'string' && value.length > 0 && value.length <= 256;
const isCount = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value > 0;

/** Reads the claims without trusting them, to look up the key. Throws EnvelopeError. */
export function readClaims(header: string | undefined): BatchClaims {
  if (!header) throw new EnvelopeError('signature_missing', `Send the ${SIGNATURE_HEADER} header.`);
  const [protectedPart = '', payload, signature = '', ...rest] = header.split('.', 4);
  const fitsForm = payload === '' && SIGNATURE.test(signature) && rest.length === 0;
  if (header.length > 4096 || !fitsForm) {
    throw new EnvelopeError(
      'signature_invalid',
      'The signature is not a detached JWS (header..signature).',
    );
  }
  let claims: Record<string, unknown>;
  try {
    claims = decodeProtectedHeader({ protected: protectedPart, signature, payload: '' });
  } catch {
    throw new EnvelopeError(
      'signature_invalid',
      'The protected header of the signature cannot be read.',
    );
  }
  const { kid, agent, seq, iat, aud, alg, b64, crit } = claims;
  const fits = isText(kid) && isText(agent) && isCount(seq) && isCount(iat) && isText(aud);
  // What is critical must be understood; of that there is `b64` alone.
  const critical = Array.isArray(crit) && crit.length === 1 && crit[0] === 'b64';
  if (!fits || alg !== 'EdDSA' || b64 !== false || !critical) {
    throw new EnvelopeError(
      'signature_invalid',
      'The protected header needs alg EdDSA, b64 false, crit ["b64"], kid, agent, seq, iat and aud.',
    );
  }
  return { kid, agent, seq, iat, aud };
}

/**
 * Verifies the signature over the exact bytes, its age and its audience, off the main thread. `key` is one of `verificationKey`.
 * Throws EnvelopeError.
 */
export async function verifyBatch(
  header: string,
  body: Uint8Array,
  key: KeyObject,
  expected: { readonly audience: string; readonly nowSeconds: number },
): Promise<BatchClaims> {
  const claims = readClaims(header);
  const [protectedPart = '', , signature = ''] = header.split('.', 3);
  const signed = Buffer.concat([Buffer.from(`${protectedPart}.`), body]);
  if (!(await verifyBytes(null, signed, key, Buffer.from(signature, 'base64url')))) {
    throw new EnvelopeError(
      'signature_invalid',
      'The signature does not fit the bytes that were received.',
    );
  }
  if (claims.aud !== expected.audience) {
    throw new EnvelopeError('audience_mismatch', 'The batch was signed for another control plane.');
  }
  const skew = claims.iat - expected.nowSeconds;
  if (Math.abs(skew) > SIGNATURE_TOLERANCE_SECONDS) {
    throw new EnvelopeError(
      'batch_stale',
      `The batch was signed ${Math.abs(skew)} s ${skew < 0 ? 'ago' : 'in the future'}; at most ${SIGNATURE_TOLERANCE_SECONDS} s are accepted.`,
    );
  }
  return claims;
}
