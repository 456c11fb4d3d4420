import assert from 'node:assert/strict';
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { calculateJwkThumbprint } from 'jose';
import { loadIdentity, saveIdentity } from '../../src/uplink/identity.ts';
import { createKeyPair, KeyFileError, loadKeyPair } from '../../src/uplink/key-pair.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

describe('loadKeyPair', () => {
  it('makes a key once, for its owner only', async () => {
    const path = join(temporaryFolder(), 'agent', 'key.json');
    const first = await loadKeyPair(path);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.deepEqual(await loadKeyPair(path), first);
  });

  it('does not replace a file that is no key', async () => {
    const path = join(temporaryFolder(), 'key.json');
    for (const content of ['', '{}', '{"kty":"RSA"}']) {
      writeFileSync(path, content);
      await assert.rejects(loadKeyPair(path), KeyFileError);
    }
  });
});

describe('loadIdentity', () => {
  it('knows who this agent is, but only to that control plane and with that key', async () => {
    const path = join(temporaryFolder(), 'identity.json');
    const key = await createKeyPair();
    const kid = await calculateJwkThumbprint(key);
    const identity = { server: 'https://a.example', agent: 'a1', kid, audience: 'a' };
    saveIdentity(path, identity);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.deepEqual(await loadIdentity(path, 'https://a.example', key), identity);
    assert.equal(await loadIdentity(path, 'https://b.example', key), undefined);
    assert.equal(await loadIdentity(path, 'https://a.example', await createKeyPair()), undefined);
    writeFileSync(path, '{');
    assert.equal(await loadIdentity(path, 'https://a.example', key), undefined);
  });
});
