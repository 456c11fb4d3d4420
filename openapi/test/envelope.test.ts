import assert from 'node:assert/strict';
import { KeyObject } from 'node:crypto';
import { test } from 'node:test';
import { calculateJwkThumbprint, exportJWK, FlattenedSign, generateKeyPair } from 'jose';
import {
  type BatchClaims,
  EnvelopeError,
  readClaims,
  signBatch,
  verificationKey,
  verifyBatch,
} from '../src/index.ts';

const pair = await generateKeyPair('EdDSA', { crv: 'Ed25519' });
const { privateKey } = pair;
const publicJwk = await exportJWK(pair.publicKey);
const publicKey = verificationKey(publicJwk.x ?? '');
const kid = await calculateJwkThumbprint(publicJwk);
const body = new TextEncoder().encode('{"rule":"x"}\n');
const claims: BatchClaims = {
  kid,
  agent: 'a1',
  seq: 7,
  iat: 1_000_000,
  aud: 'https://tocsin.example',
};
const expected = { audience: claims.aud, nowSeconds: claims.iat + 10 };

const refusal = (code: EnvelopeError['code']) => (error: unknown) =>
  error instanceof EnvelopeError && error.code === code;

test('what was signed is verified, and the claims come back', async () => {
  const header = await signBatch(body, claims, privateKey);
  assert.deepEqual(readClaims(header), claims);
  assert.deepEqual(await verifyBatch(header, body, publicKey, expected), claims);
});

test('other bytes, another key and a changed header are refused', async () => {
  const header = await signBatch(body, claims, privateKey);
  const other = await generateKeyPair('EdDSA', { crv: 'Ed25519' });
  const changed = new Uint8Array(body);
  changed[3] = 0x41;
  await assert.rejects(
    verifyBatch(header, changed, publicKey, expected),
    refusal('signature_invalid'),
  );
  await assert.rejects(
    verifyBatch(header, body, KeyObject.from(other.publicKey), expected),
    refusal('signature_invalid'),
  );
  const forged = await signBatch(body, { ...claims, seq: 8 }, other.privateKey);
  const mixed = `${forged.split('.')[0]}..${header.split('.')[2]}`;
  await assert.rejects(verifyBatch(mixed, body, publicKey, expected), refusal('signature_invalid'));
});

test('old and future signatures are stale, another audience is told', async () => {
  const header = await signBatch(body, claims, privateKey);
  for (const nowSeconds of [claims.iat + 301, claims.iat - 301]) {
    await assert.rejects(
      verifyBatch(header, body, publicKey, { ...expected, nowSeconds }),
      refusal('batch_stale'),
    );
  }
  await assert.rejects(
    verifyBatch(header, body, publicKey, { ...expected, audience: 'x' }),
    refusal('audience_mismatch'),
  );
});

test('garbage in the header is refused, never thrown at the caller', () => {
  assert.throws(() => readClaims(undefined), refusal('signature_missing'));
  for (const header of [
    'a',
    'a.b.c',
    '..',
    `${'x'.repeat(5000)}..y`,
    'e30..AA',
    'bnVsbA..AA',
    'W10..AA',
  ]) {
    assert.throws(() => readClaims(header), refusal('signature_invalid'), header);
  }
});

test('a header that says more is critical than we know is refused, and so is one that says less', async () => {
  const header = { alg: 'EdDSA', ...claims };
  const sign = async (more: object) => {
    const jws = await new FlattenedSign(body)
      .setProtectedHeader({ ...header, ...more })
      .sign(privateKey, { crit: { exp: true } });
    return `${jws.protected}..${jws.signature}`;
  };
  for (const more of [{ b64: false, crit: ['b64', 'exp'], exp: 1 }, {}])
    await assert.rejects(
      verifyBatch(await sign(more), body, publicKey, expected),
      refusal('signature_invalid'),
    );
  assert.deepEqual(
    await verifyBatch(await sign({ b64: false, crit: ['b64'] }), body, publicKey, expected),
    claims,
  );
});
