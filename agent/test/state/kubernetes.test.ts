import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { kubernetesSettings } from '../../src/commands/kubernetes-settings.ts';
import { Container, type ContainerFacts } from '../../src/state/container.ts';
import { Cluster } from '../../src/state/kubernetes/cluster.ts';
import { get } from '../events/fields.ts';
import { eventOf, exec } from '../events/records.ts';
import { waitFor } from '../support/wait.ts';
import { ApiServer, pod } from './kubernetes-api.ts';

describe('Cluster', () => {
  const server = new ApiServer();
  const running: Cluster[] = [];
  before(() => server.start());
  after(() => server.stop());
  afterEach(async () => {
    for (const cluster of running.splice(0)) cluster.stop();
    await waitFor('the watches to end', () => server.watches.length === 0);
    server.pods = [];
    server.asked.length = 0;
  });

  function start(settings = server.settings): Cluster {
    const cluster = new Cluster(settings, { firstWaitMs: 10, lastWaitMs: 50 });
    running.push(cluster);
    void cluster.run();
    return cluster;
  }
  const isWatched = () => waitFor('a watch', () => server.watches.length > 0);
  const isOwned = (cluster: Cluster, uid: string) =>
    waitFor('the owners', () => cluster.pod(uid)?.owners.deployment?.[0]?.id !== undefined);

  it('lists the pods of the node in pages, with what they belong to', async () => {
    server.pods = [pod('web-5d4f8c-a', 'u-1'), pod('web-5d4f8c-b', 'u-2')];
    const cluster = start();
    await isWatched();
    assert.equal(cluster.podCount, 2);
    await isOwned(cluster, 'u-2');
    await waitFor('the others', () => {
      const { ns, svc } = cluster.pod('u-2')?.owners ?? {};
      return ns !== undefined && svc !== undefined;
    });
    assert.deepEqual(cluster.pod('u-2'), {
      uid: 'u-2',
      name: 'web-5d4f8c-b',
      namespace: 'prod',
      labels: new Map([
        ['app', 'web'],
        ['pod-template-hash', '5d4f8c'],
      ]),
      ip: '10.1.0.9',
      probes: new Map(),
      owners: {
        rs: [{ name: 'web-5d4f8c', id: 'rs-1', labels: new Map([['tier', 'front']]) }],
        deployment: [{ name: 'web', id: 'd-1', labels: new Map([['team', 'red']]) }],
        svc: [{ name: 'web', id: 's-1', labels: new Map() }],
        ns: [{ name: 'prod', id: 'n-1', labels: new Map([['env', 'p']]) }],
      },
    });
    const deployments = server.asked.filter((path) => path.includes('/deployments/'));
    assert.equal(deployments.length, 1, 'asked once for both');
    assert.equal(server.watches[0]?.url.searchParams.get('resourceVersion'), '42');
  });

  it('follows changes, goes on from a bookmark, and knows a deleted pod for a while', async () => {
    const cluster = start();
    await isWatched();
    server.change('ADDED', pod('web-5d4f8c-c', 'u-3'));
    await waitFor('the pod', () => cluster.pod('u-3') !== undefined);
    server.change('MODIFIED', pod('web-5d4f8c-c', 'u-3', { labels: { app: 'new' } }));
    await waitFor('the label', () => cluster.pod('u-3')?.labels.get('app') === 'new');
    server.change('DELETED', pod('web-5d4f8c-c', 'u-3'));
    server.change('BOOKMARK', { metadata: { resourceVersion: '99' } });
    await waitFor('the deletion', () => cluster.counters.changes === 3);
    for (const { answer } of server.watches) answer.end();
    await waitFor('another watch', () =>
      server.watches.some(({ url }) => url.searchParams.get('resourceVersion') === '99'),
    );
    assert.ok(cluster.pod('u-3'));
    assert.equal(cluster.counters.lists, 1);
    assert.equal(cluster.counters.errors, 0);
  });

  it('lists again when the history is gone, and goes on after every fault', async () => {
    const cluster = start();
    await isWatched();
    server.pods = [pod('web-5d4f8c-d', 'u-4')];
    server.faults.push(
      (answer) => answer.writeHead(500).end(),
      (answer) => answer.end('{"items": ['),
      (answer) => answer.destroy(),
      (answer) => answer.end(JSON.stringify({ items: [null, 5, { metadata: {} }], metadata: [] })),
      (answer) => answer.end('nonsense\n'),
    );
    server.change('ERROR', { kind: 'Status', code: 410 });
    await waitFor('the pod', () => cluster.pod('u-4') !== undefined);
    await isWatched();
    assert.equal(cluster.counters.errors, 4);
    assert.ok(cluster.counters.lists >= 3);
  });

  it('asks again for an owner when the answer was no answer, and lives without what it may not read', async () => {
    server.pods = [pod('web-5d4f8c-f', 'u-6')];
    server.refusals.set('/apis/apps/v1/namespaces/prod/replicasets/web-5d4f8c', [503, 500]);
    server.refusals.set('/api/v1/namespaces/prod', [403]);
    const cluster = start();
    await isOwned(cluster, 'u-6');
    await waitFor('the service', () => cluster.pod('u-6')?.owners.svc !== undefined);
    await waitFor('the refusal', () => cluster.counters.errors === 3);
    assert.equal(cluster.pod('u-6')?.owners.rs?.[0]?.id, 'rs-1');
    assert.equal(cluster.pod('u-6')?.owners.ns, undefined);
  });

  it('takes a renewed token, and trusts only its authority', async () => {
    const stranger = start({ ...server.settings, caFile: '/etc/ssl/certs/ca-certificates.crt' });
    await waitFor('an error', () => stranger.counters.errors > 0);
    assert.equal(server.asked.length, 0);
    stranger.stop();
    writeFileSync(join(server.folder, 'token'), 'secret-2');
    start();
    await isWatched();
  });

  it('gives the fields their values', async () => {
    server.pods = [pod('web-5d4f8c-e', 'u-5')];
    const cluster = start();
    await isOwned(cluster, 'u-5');
    await waitFor('the others', () => {
      const { ns, svc } = cluster.pod('u-5')?.owners ?? {};
      return ns !== undefined && svc !== undefined;
    });
    const fields = {
      'k8s.pod.name': 'web-5d4f8c-e',
      'k8s.ns.name': 'prod',
      'k8s.pod.uid': 'u-5',
      'k8s.pod.ip': '10.1.0.9',
      'k8s.pod.label[app]': 'web',
      'k8s.rs.name': 'web-5d4f8c',
      'k8s.rs.label[tier]': 'front',
      'k8s.deployment.name': 'web',
      'k8s.deployment.id': 'd-1',
      'k8s.deployment.labels': 'team:red',
      'k8s.svc.name': 'web',
      'k8s.rc.name': undefined,
      'k8s.ns.id': 'n-1',
      'k8s.ns.label[env]': 'p',
    };
    const facts = { podName: 'web-5d4f8c-e', podNamespace: 'prod', podUid: 'u-5' };
    assert.deepEqual(values(facts, fields, cluster), fields);
  });
});

function values(facts: ContainerFacts, fields: object, cluster?: Cluster) {
  const event = eventOf(exec({}, { argv: ['x'] }));
  event.container = new Container('containerd', 'ab'.repeat(32));
  event.container.facts = facts;
  const podOf = cluster && { podOf: (uid: string) => cluster.pod(uid) };
  return Object.fromEntries(
    Object.keys(fields).map((name) => [name, get(event, name, undefined, podOf)]),
  );
}

describe('fields of Kubernetes without the API', () => {
  it('tell what there is, and nothing of a container that is in no pod', () => {
    const namespace = {
      'k8s.ns.name': 'shop',
      'k8s.pod.name': undefined,
      'k8s.pod.uid': undefined,
    };
    assert.deepEqual(values({ podNamespace: 'shop' }, namespace), namespace);
    const none = {
      'k8s.pod.ip': undefined,
      'k8s.pod.label[a]': undefined,
      'k8s.pod.labels': undefined,
    };
    assert.deepEqual(values({ ip: '10.0.0.1', labels: new Map([['a', 'b']]) }, none), none);
  });

  const owner = (podName: string | undefined, hash: string | undefined) => {
    const podLabels = new Map(hash === undefined ? [] : [['pod-template-hash', hash]]);
    const facts = { podLabels, ...(podName !== undefined && { podName }) };
    const told = values(facts, { 'k8s.rs.name': 0, 'k8s.deployment.name': 0 });
    return [told['k8s.rs.name'], told['k8s.deployment.name']];
  };
  it('tell the deployment by the hash that the labels and the name of a pod hold', () => {
    assert.deepEqual(owner('web-app-5d4f8c-x7k2p', '5d4f8c'), ['web-app-5d4f8c', 'web-app']);
    assert.deepEqual(owner('web-5d4f8c', '5d4f8c'), [undefined, undefined]);
    assert.deepEqual(owner('web-0', undefined), [undefined, undefined]);
    assert.deepEqual(owner('-5d4f8c-x', '5d4f8c'), [undefined, undefined]);
    assert.deepEqual(owner('web-5d4f8c-x', ''), [undefined, undefined]);
    assert.deepEqual(owner(undefined, '5d4f8c'), [undefined, undefined]);
  });
});

describe('kubernetesSettings', () => {
  it('takes what a pod is told, unless the configuration says otherwise', () => {
    const inside = {
      KUBERNETES_SERVICE_HOST: 'fd00::1',
      KUBERNETES_SERVICE_PORT: '6443',
      NODE_NAME: 'n',
    };
    const { server, node } = kubernetesSettings({}, inside);
    assert.deepEqual([server, node], ['https://[fd00::1]:6443', 'n']);
    const given = { server: 'https://k:1', token_file: '/t', ca_file: '/c', node: 'm' };
    assert.deepEqual(kubernetesSettings(given, inside), {
      server: 'https://k:1',
      tokenFile: '/t',
      caFile: '/c',
      node: 'm',
    });
    assert.throws(() => kubernetesSettings({}, {}), /agent\.kubernetes\.server: is not set/);
  });
});
