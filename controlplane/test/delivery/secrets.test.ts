import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { SecretReference } from '@tocsin/openapi';
import Type from 'typebox';
import { ChannelSettingsError } from '../../src/delivery/outcome.ts';
import { resolveSecrets } from '../../src/delivery/secrets.ts';

const schema = Type.Object({
  token: SecretReference,
  password: Type.Optional(SecretReference),
  headers: Type.Optional(Type.Record(Type.String(), Type.Union([Type.String(), SecretReference]))),
  list: Type.Optional(Type.Array(SecretReference)),
  place: Type.Optional(Type.Object({ file: Type.String() })),
});

describe('secrets of a channel', () => {
  it('are resolved where the schema has them, and nowhere else', () => {
    const folder = mkdtempSync(join(tmpdir(), 'tocsin-secret-'));
    const file = join(folder, 'secret');
    writeFileSync(file, 'from a file\n');
    const resolved = resolveSecrets(
      schema,
      {
        token: { value: 'given' },
        password: { env: 'PASSWORD' },
        headers: { plain: 'text', secret: { file } },
        list: [{ value: 'one' }],
        place: { file: '/var/log/x' },
      },
      { PASSWORD: 'from the environment' },
    );
    rmSync(folder, { recursive: true });
    assert.deepEqual(resolved, {
      token: 'given',
      password: 'from the environment',
      headers: { plain: 'text', secret: 'from a file' },
      list: ['one'],
      place: { file: '/var/log/x' },
    });
  });

  it('say which setting lacks one, and what to do', () => {
    const cases: [object, RegExp][] = [
      [{ env: 'NOT_SET' }, /token: the environment variable NOT_SET is not set/],
      [{ file: '/no/such/file' }, /token: cannot be read: ENOENT/],
      [{ file: '/dev/null' }, /token: the file \/dev\/null is empty/],
      [{ sealed: 'x' }, /token: cannot be opened/],
    ];
    for (const [token, message] of cases) {
      assert.throws(
        () => resolveSecrets(schema, { token }, {}),
        (error) => {
          assert.ok(error instanceof ChannelSettingsError);
          assert.match(error.message, message);
          return true;
        },
      );
    }
  });
});
