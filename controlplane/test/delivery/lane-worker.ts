/** A worker in a process of its own, for tests that kill it: `node lane-worker.js SOCKET URL [LEASE_MS]`. SIGTERM stops it in order. */
import { Registry } from 'prom-client';
import { startDelivery } from '../../src/delivery/delivery.ts';
import { AlertStore } from '../../src/store/alerts.ts';
import { Outbox } from '../../src/store/outbox.ts';
import { requestClient, workerClient } from '../../src/store/redis.ts';
import { TEST_TIMES } from './lane-fixture.ts';

const [, , socket = '', url = '', leaseMs = TEST_TIMES.leaseMs] = process.argv;
const redis = requestClient({ socket });
const workerRedis = workerClient({ socket });
await Promise.all([redis.connect(), workerRedis.connect()]);
const shared = { secret: { value: 'secret' }, allow_private_addresses: true };
const delivery = startDelivery({
  redis,
  workerRedis,
  outbox: new Outbox(redis),
  alerts: new AlertStore(redis),
  channels: {
    all: () => [],
    get: (name) => ({
      name,
      kind: 'webhook',
      minimum_priority: 'debug',
      settings: { ...shared, url: `${url}${name}` },
    }),
  },
  metrics: new Registry(),
  logger: { warn: (details) => process.stderr.write(`${JSON.stringify(details)}\n`) },
  environment: {},
  times: { ...TEST_TIMES, leaseMs: Number(leaseMs) },
});

process.on('SIGTERM', () => {
  void delivery.stop(100).then(() => process.exit(0));
});
process.stdout.write('ready\n');
