import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  createReadStream,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { test } from 'node:test';
import { Command } from 'commander';
import { agentsCommand } from '../../src/commands/agents.ts';
import { alertsCommand } from '../../src/commands/alerts.ts';
import { channelsCommand } from '../../src/commands/channels.ts';
import type { CommandContext } from '../../src/commands/context.ts';
import { anAlert, newIdentity, TestAgent } from '../support/agent.ts';
import { request, tempFolder } from '../support/control-plane.ts';
import { until } from '../support/state.ts';

const program = join(import.meta.dirname, '../../../../tocsin.js');
type Cleanup = { after(fn: () => unknown): void };

/** Runs `tocsin` as a user does. */
class Run {
  readonly child: ChildProcess;
  out = '';
  err = '';
  readonly #exit: Promise<unknown[]>;

  constructor(
    t: Cleanup,
    folder: string,
    args: string[],
    environment: Record<string, string> = {},
  ) {
    const { PATH = '' } = process.env;
    this.child = spawn(process.execPath, [program, ...args], {
      cwd: folder,
      env: { PATH, ...environment },
    });
    this.child.stdout?.on('data', (chunk: Buffer) => {
      this.out += chunk;
    });
    this.child.stderr?.on('data', (chunk: Buffer) => {
      this.err += chunk;
    });
    this.#exit = once(this.child, 'close');
    t.after(async () => {
      this.child.kill('SIGTERM');
      await this.#exit;
    });
  }

  async code(): Promise<number | null> {
    const [code] = await this.#exit;
    return code as number | null;
  }

  async ready(): Promise<string> {
    await until(async () => this.out.includes('\n') || this.child.exitCode !== null, 'it is ready');
    const url = /http:\S+/.exec(this.out)?.[0];
    assert.ok(url, `${this.out}${this.err}`);
    return url;
  }
}

/** Runs to the end; returns code and what it said. */
async function finished(
  t: Cleanup,
  folder: string,
  args: string[],
  environment?: Record<string, string>,
) {
  const run = new Run(t, folder, args, environment);
  return { code: await run.code(), out: run.out, err: run.err };
}

/** One command that calls the API, within this process. */
async function cli(folder: string, args: string[]) {
  let [out, err, failure] = ['', '', ''];
  const context = {
    environment: { TOCSIN_DATA_DIR: join(folder, 'data'), TOCSIN_CONFIG: '/dev/null' },
    out: { write: (text: string) => (out += text) },
    err: { write: (text: string) => (err += text) },
    untilStopped: async () => {},
  } as unknown as CommandContext;
  const tocsin = new Command('tocsin').exitOverride();
  for (const add of [alertsCommand, agentsCommand, channelsCommand]) add(tocsin, context);
  await tocsin.parseAsync(args, { from: 'user' }).catch((error: Error) => {
    failure = error.message;
  });
  return { out, err, failure };
}

test('tells at the start of a channel whose secret is not there', async (t) => {
  const folder = tempFolder(t);
  const channel = {
    name: 'pager',
    kind: 'pagerduty',
    settings: { routing_key: { env: 'NO_KEY' } },
  };
  writeFileSync(join(folder, 'tocsin.yaml'), JSON.stringify({ channels: [channel] }));
  const run = new Run(t, folder, ['server', '--listen', '127.0.0.1:0']);
  await run.ready();
  await until(async () => run.err.includes('\n'), 'it says so');
  const { channel: name, detail, msg } = JSON.parse(run.err);
  assert.deepEqual([name, msg], ['pager', 'channel lacks a secret']);
  assert.match(detail, /^routing_key: the environment variable NO_KEY is not set/);
});

test('refuses a time and an address that are none before it calls', async (t) => {
  const folder = tempFolder(t);
  mkdirSync(join(folder, 'data'));
  writeFileSync(join(folder, 'data/admin.token'), 'a token\n');
  const since = await cli(folder, ['alerts', '--since', 'yesterday']);
  assert.match(since.failure, /^--since must be a duration such as 1h, or a time such as /);
  const url = await cli(folder, ['alerts', '--url', '127.0.0.1:2802']);
  assert.match(url.failure, /^--url must be an http:\/\/ or https:\/\/ URL, not '127/);
});

test('tells its version, and of a command that is none where the commands are told', async (t) => {
  const folder = tempFolder(t);
  const version = await finished(t, folder, ['--version']);
  assert.equal(version.code, 0);
  assert.match(version.out, /^\d+\.\d+\.\d+\n$/);
  const slip = await finished(t, folder, ['rulse']);
  assert.deepEqual(slip, {
    code: 2,
    out: '',
    err: "tocsin: there is no command 'rulse'; tocsin --help lists them\n",
  });
});

test('tells every problem of the configuration with its place, and what keeps it from starting', async (t) => {
  const folder = tempFolder(t);
  writeFileSync(
    join(folder, 'tocsin.yaml'),
    'listen: 1\ncolor: red\ndedupe:\n  window: soon\nchannels:\n  - name: -x\n',
  );
  const { code, err } = await finished(t, folder, ['server']);
  assert.equal(code, 78);
  for (const place of [
    /tocsin.yaml:1:1: listen/,
    /tocsin.yaml:2:1: unknown key 'color'/,
    /tocsin.yaml:4:3: dedupe.window must be a duration such as .*, got "soon"/,
    /tocsin.yaml:6:/,
  ]) {
    assert.match(err, place);
  }
  const own = [
    'server',
    '--config',
    '/dev/null',
    '--data-dir',
    join(folder, 'data'),
    '--listen',
    '127.0.0.1:0',
  ];
  const missing = await finished(t, folder, [...own, '--set', 'redis.server=no-redis']);
  assert.equal(missing.code, 1);
  assert.match(missing.err, /^tocsin: The program no-redis was not found: install it .*\n$/);
  const wrong = await finished(t, folder, [
    ...own,
    '--set',
    'retention.alerts=7',
    '--data-dir',
    '',
  ]);
  assert.equal(wrong.code, 78);
  assert.match(wrong.err, /^ {2}command line: retention\.alerts must be a duration/m);
  assert.match(wrong.err, /^ {2}command line: data_dir must not have fewer than 1 characters/m);
  const usage = await finished(t, folder, ['server', '--nonsense']);
  assert.equal(usage.code, 2);
});

test('channels of a file are previewed as they stand there, without a control plane', async (t) => {
  const folder = tempFolder(t);
  const file = join(folder, 'new.yaml');
  const write = (template: string) =>
    writeFileSync(
      file,
      `channels: [{ name: hook, webhook: { url: "https://x.org/", secret: { value: hidden-one }, template: '${template}' } }]`,
    );
  const preview = (...args: string[]) => cli(folder, ['channels', 'preview', ...args]);
  write('{"text": "{{ summary }} hidden-one"}');
  const shown = await preview('hook', '--config', file);
  assert.equal(shown.failure, '');
  assert.match(
    shown.out,
    /^== application\/json\n\{"text": "Test: Read sensitive .* \[hidden\]"\}\n$/,
  );
  assert.match(
    (await preview('nobody', '--config', file)).failure,
    /no channel named nobody in .*new\.yaml/,
  );
  assert.match((await preview()).failure, /Give the NAME/);
  write('{{ summary }}');
  assert.match(
    (await preview('hook', '--config', file)).failure,
    /new\.yaml:1:\d+: .*does not render JSON/,
  );
  writeFileSync(file, 'channels: [{ name: a, fallback: b, log: {} }]');
  assert.match(
    (await preview('a', '--config', file)).failure,
    /new\.yaml:1:\d+: there is no channel 'b'/,
  );
});

test('run shows alerts as they come, goes on without an agent, and stops within five seconds', async (t) => {
  const folder = tempFolder(t);
  const args = ['run', '--listen', '127.0.0.1:0', '--set', 'agent.enabled=false'];
  const run = new Run(t, folder, args);
  const url = await run.ready();
  assert.match(run.out, /^tocsin is ready: http:\S+ \(admin token in .*data\/admin\.token\)\n$/);
  const call = (command: string[]) => cli(folder, [...command, '--url', url]);

  const token = await call(['agents', 'token']);
  const { privateKey, body } = await newIdentity('web-1');
  const enrolled = await request(`${url}/v1/agents/enroll`, 'POST', {
    ...body,
    join_token: token.out.trim(),
  });
  const agent = new TestAgent(url, enrolled.body, privateKey);
  await agent.send([
    anAlert({ output: '10:00:00.123456789: Warning evil \u001b[31m\u202e name\u009b\n' }),
  ]);
  await until(async () => run.out.includes('evil'), 'the alert is shown');
  assert.match(
    run.out,
    /Warning +web-1 Read sensitive file untrusted: evil \\x1b\[31m\\u202e name\\x9b\\n\n$/,
  );

  const listed = await call(['alerts', '--rule', 'Read sensitive file untrusted', '--json']);
  assert.equal(JSON.parse(listed.out).count, 1);
  assert.match(listed.out, /10:00:00\.123456789: Warning evil \\u001b\[31m\\u202e name\\u009b/);
  assert.match((await call(['alerts'])).out, /evil \\x1b/);
  assert.match((await call(['alerts', '--priority', 'debug'])).err, /no alerts/);
  // The rule is not told twice.
  await agent.send([anAlert({ rule: 'Odd', output: '10:00:00: Warning Odd (file=/x)' })]);
  await until(async () => / web-1 Odd \(file=\/x\)\n$/.test(run.out), 'the alert is shown');
  const agents = await call(['agents', 'list']);
  assert.match(agents.out, /web-1 .*enrolled\n$/);
  assert.equal((await call(['agents', 'revoke', agent.id])).failure, '');
  assert.match((await call(['agents'])).out, /revoked\n$/);

  const made = await call([
    'channels',
    'create',
    'out',
    '--kind',
    'log',
    '--minimum-priority',
    'error',
  ]);
  assert.match(made.err, /channel out is created/);
  assert.match((await call(['channels', 'list'])).out, /out +log +error +api/);
  assert.equal(JSON.parse((await call(['channels', 'show', 'out'])).out).kind, 'log');
  assert.equal((await call(['channels', 'delete', 'out'])).failure, '');
  const gone = await call(['channels', 'show', 'out']);
  assert.match(gone.failure, /^There is no channel named out\. \(not_found\)$/);

  const second = await finished(t, folder, args);
  assert.equal(second.code, 1);
  assert.match(second.err, /is in use by process \d+/);

  const from = Date.now();
  run.child.kill('SIGINT');
  assert.equal(await run.code(), 0, run.err);
  assert.ok(Date.now() - from < 5000, `took ${Date.now() - from} ms`);
  // On a machine so busy that Redis is not heard of for seconds, it says that it waits.
  const complaints = run.err.split('\n').filter((line) => !/"delivery waits for redis"/.test(line));
  assert.deepEqual(complaints, ['']);

  const again = new Run(t, folder, args);
  const { out } = await cli(folder, ['alerts', '--json', '--url', await again.ready()]);
  assert.equal(
    JSON.parse(out.split('\n', 1)[0] ?? '').hostname,
    'web-1',
    'its data is still there',
  );
  const away = await cli(folder, ['alerts', '--url', 'http://127.0.0.1:1']);
  assert.match(away.failure, /No control plane answers at/);
});

test('run starts the local agent, tells what it says, and starts it again when it dies', async (t) => {
  // A stand-in for the package layout: the real `run` with a program in the place of the agent.
  const folder = tempFolder(t);
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  const stand = join(bin, 'agent.mjs');
  writeFileSync(
    stand,
    `import { readFileSync, statSync } from 'node:fs';
     const { TOCSIN_AGENT_JOIN_TOKEN, TOCSIN_AGENT_SERVER, TOCSIN_DATA_DIR, TOCSIN_AGENT_PRIORITY } = process.env;
     const { file } = JSON.parse(TOCSIN_AGENT_JOIN_TOKEN);
     const token = readFileSync(file, 'utf8').trim();
     console.error([TOCSIN_AGENT_SERVER, TOCSIN_DATA_DIR, TOCSIN_AGENT_PRIORITY, token.slice(0, 12), statSync(file).mode & 0o777].join(' '));
     process.exit(process.argv.includes('--die') ? 1 : 3);`,
  );
  chmodSync(stand, 0o755);
  const { LocalAgent } = await import('../../src/commands/local-agent.ts');
  const { Config, loadSettings } = await import('@tocsin/openapi');
  for (const [args, said] of [
    [[], /cannot run here; the control plane goes on without it/],
    [['--die'], /ended with code 1; started again in 1 s/],
  ] as const) {
    let err = '';
    const plane = {
      url: 'http://127.0.0.1:1',
      enrollment: { createJoinToken: async () => 'tocsin-join-xyz' },
    } as never;
    const flags = { data_dir: folder, 'agent.priority': 'error' };
    const config = loadSettings(Config, { flags });
    const write = (text: string) => {
      err += text;
      return true;
    };
    const context = { environment: {}, err: { write } } as never;
    const agent = new LocalAgent(plane, { config, file: undefined, flags }, context, [
      stand,
      ...args,
    ]);
    await agent.start();
    await until(async () => said.test(err), String(said));
    assert.match(err, /agent: http:\/\/127.0.0.1:1 \S+ error tocsin-join- 384\n/);
    await agent.stop();
    assert.ok(!existsSync(join(folder, 'agent.join-token')));
  }
});

test('a simulation that is interrupted leaves nothing behind', async (t) => {
  const folder = tempFolder(t);
  const [place, config, input] = ['tmp', 'tocsin.yaml', 'input'].map((name) => join(folder, name));
  assert.ok(place && config && input);
  mkdirSync(place);
  writeFileSync(config, 'route: { receiver: a }\nreceivers: [{ name: a, log: {} }]\n');
  const alerts = Array.from({ length: 200_000 }, (_, at) =>
    JSON.stringify({ at: `${at}s`, alert: { labels: { rule: `${at}` } } }),
  );
  writeFileSync(input, `${alerts.join('\n')}\n`);
  const run = new Run(t, folder, ['routes', 'simulate', '--config', config], { TMPDIR: place });
  const source = createReadStream(input).pipe(run.child.stdin as Writable);
  source.on('error', () => {});
  let pid = 0;
  await until(async () => {
    const [work] = readdirSync(place);
    const file = join(place, work ?? '', 'redis/redis.pid');
    pid = existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0;
    return pid > 0;
  }, 'it works');
  run.child.kill('SIGINT');
  assert.equal(await run.code(), 130, run.err);
  assert.deepEqual(readdirSync(place), []);
  await until(async () => !existsSync(`/proc/${pid}`), 'its Redis ended');
});
