import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { SecretReference } from '@tocsin/openapi';
import Type from 'typebox';
import { findChannelKind } from '../../src/delivery/channels/index.ts';
import { ChannelSettingsError } from '../../src/delivery/outcome.ts';
import { hideSecrets, resolveSecrets } from '../../src/delivery/secrets.ts';
import { createSender } from '../../src/delivery/senders.ts';
import { HttpServer } from './http-server.ts';
import { forever, sampleNotification } from './sample.ts';

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

  it('are hidden in what others say, whole, as part of an address and cut', () => {
    const hide = hideSecrets([
      'abcd1234"',
      'https://x.example/hooks/T0/0123456789abcdefgh?sig=zz',
      'ab',
    ]);
    for (const [said, shown] of [
      ['key abcd1234" is bad, abc', 'key [hidden] is bad, abc'],
      ['{"k":"abcd1234\\""}', '{"k":"[hidden]"}'],
      ['?k=abcd1234%22&', '?k=[hidden]&'],
      ['Cannot POST /hooks/T0/0123456789abcdefgh?sig=zz', 'Cannot POST [hidden]'],
      ['no /hooks/T0/0123456789abcdefgh', 'no [hidden]'],
      ['no hook 0123456789abcdefgh', 'no hook [hidden]'],
      ['it said abcd12…', 'it said [hidden]…'],
      ['it said abc…', 'it said abc…'],
    ] as const)
      assert.equal(hide(said), shown);
  });

  it('are in no outcome when a server answers with the request it got', async () => {
    const MARK = 'marked-secret-0123456789';
    const server = new HttpServer();
    const url = await server.listen();
    server.answer = (response) =>
      response.writeHead(400).end(JSON.stringify(server.received.at(-1)));
    const value = { value: MARK };
    const settings: Record<string, object> = {
      webhook: { url, secret: value, headers: { 'x-key': value } },
      mattermost: { url: { value: `${url}/hooks/${MARK}` } },
      teams: { url: { value: `${url}/workflow?sig=${MARK}` } },
      discord: { url: { value: `${url}/api/webhooks/1/${MARK}` } },
      telegram: { base_url: url, token: { value: `1:${MARK}` }, chat_id: '-1' },
      ntfy: { base_url: url, topic: 'a', token: value },
      pagerduty: { base_url: url, routing_key: value },
      opsgenie: { base_url: url, api_key: value },
      splunk: { url, token: value },
      elasticsearch: { url, api_key: value },
      slack: { url: { value: `${url}/services/T0/B0/${MARK}` } },
    };
    for (const [kind, given] of Object.entries(settings)) {
      const shared = { name: 'x', kind, minimum_priority: 'debug' } as const;
      const channel = { ...shared, settings: { ...given, allow_private_addresses: true } };
      const sender = createSender(channel, findChannelKind, {});
      const { result, detail } = await sender.send(sampleNotification(), forever());
      assert.equal(result, 'permanent', kind);
      assert.match(detail, /HTTP 400/);
      assert.doesNotMatch(detail, /marked|[^a-z]mark/, `${kind}: ${detail}`);
      await sender.close();
    }
    await server.close();
  });
});
