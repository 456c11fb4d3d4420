import { exportJWK, generateKeyPair } from 'jose';
import { ExpectedError } from '../expected-error.ts';
import { readOptionalFile, writePrivateFile } from './private-file.ts';

/** An Ed25519 key pair as a JWK; `d` is the private part and never leaves the host. */
export interface KeyPair {
  readonly kty: 'OKP';
  readonly crv: 'Ed25519';
  readonly x: string;
  readonly d: string;
}

/** The key file is there but is not a key; making a new one silently would cost the enrolment. */
export class KeyFileError extends ExpectedError {
  override readonly name = 'KeyFileError';
}

/** Makes a key pair. */
export async function createKeyPair(): Promise<KeyPair> {
  const { privateKey } = await generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true });
  const { x, d } = (await exportJWK(privateKey)) as { x: string; d: string };
  return { kty: 'OKP', crv: 'Ed25519', x, d };
}

/** Keeps a key pair in place of any earlier one. */
export function saveKeyPair(path: string, pair: KeyPair): void {
  writePrivateFile(path, `${JSON.stringify(pair)}\n`);
}

/** The key pair of this agent, made at the first start. */
export async function loadKeyPair(path: string): Promise<KeyPair> {
  const text = readOptionalFile(path);
  if (text === undefined) {
    const pair = await createKeyPair();
    saveKeyPair(path, pair);
    return pair;
  }
  let jwk: Partial<KeyPair> = {};
  try {
    jwk = JSON.parse(text) as Partial<KeyPair>;
  } catch {
    // Told below, like any other content that is no key.
  }
  const { kty, crv, x, d } = jwk;
  if (kty !== 'OKP' || crv !== 'Ed25519' || typeof x !== 'string' || typeof d !== 'string') {
    throw new KeyFileError(
      `${path} is not an Ed25519 private key (JWK); remove it and enrol this host again`,
    );
  }
  return { kty, crv, x, d };
}
