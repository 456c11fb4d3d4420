import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ControlPlaneStub } from '../support/control-plane-stub.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { TocsinProcess } from '../support/tocsin-process.ts';

const TOKEN = 'join-token-0123456789';

describe('tocsin enroll', () => {
  const plane = new ControlPlaneStub();
  before(() => plane.start());
  after(() => plane.stop());

  const enroll = (...args: string[]) =>
    new TocsinProcess(['enroll', '--data-dir', temporaryFolder(), ...args]);

  it('enrols this host and says so', async () => {
    plane.joinTokens.add(TOKEN);
    const file = join(temporaryFolder(), 'token');
    writeFileSync(file, `${TOKEN}\n`);
    const tocsin = enroll('--server', plane.url, '--token-file', file);
    assert.equal(await tocsin.exit(), 0);
    assert.match(
      tocsin.stdout,
      /^enrolled \S+ with http:\/\/127\.0\.0\.1:\d+ as agent agent-1, key /,
    );
  });

  it('says why it could not', async () => {
    const tocsin = enroll('--server', plane.url, '--token', 'join-token-that-is-wrong');
    assert.equal(await tocsin.exit(), 1);
    assert.match(tocsin.stderr, /not enrolled \(join_token_invalid\): stub says/);
  });

  it('says that the data directory cannot be made', async () => {
    const plain = join(temporaryFolder(), 'file');
    writeFileSync(plain, '');
    for (const [folder, code] of [
      [join(plain, 'data'), 'ENOTDIR'],
      // Where Node's own `recursive` never returns.
      ['/proc/tocsin/data', 'ENOENT'],
    ] as const) {
      const tocsin = enroll('--server', plane.url, '--token', TOKEN, '--data-dir', folder);
      assert.equal(await tocsin.exit(), 1);
      assert.match(
        tocsin.stderr,
        new RegExp(
          `^tocsin: the folder /\\S+ cannot be made \\(${code}\\); choose another with --data-dir\n$`,
        ),
      );
    }
  });

  it('says that nobody answers', async () => {
    const tocsin = enroll('--server', 'http://127.0.0.1:1', '--token', TOKEN);
    assert.equal(await tocsin.exit(), 1);
    assert.match(tocsin.stderr, /cannot be reached: .*ECONNREFUSED/);
  });

  it('needs a server and a token', async () => {
    const noServer = enroll('--token', TOKEN);
    assert.equal(await noServer.exit(), 2);
    assert.match(noServer.stderr, /--server URL/);
    const noToken = enroll('--server', plane.url);
    assert.equal(await noToken.exit(), 2);
    assert.match(noToken.stderr, /^tocsin: there is no join token: make one .*tocsin agents token/);
    const noFile = enroll('--server', plane.url, '--token-file', '/nowhere/token');
    assert.equal(await noFile.exit(), 2);
    assert.match(noFile.stderr, /no join token, for \/nowhere\/token is not there or empty: make/);
  });
});
