/** Elastic Common Schema 8. */
import { severityOf } from '@tocsin/openapi';
import { fieldText } from '../alert-fields.ts';
import type { ShownAlert } from '../channel.ts';
import { cut, jsonLine } from '../text.ts';
import { type AlertFacts, type Endpoint, type ProcessFacts, readFacts } from './facts.ts';
import type { Format } from './format.ts';
import { compact } from './json.ts';

const SCHEMA_VERSION = '8.17.0';
const MAX_LABEL = 1024;

export const ecs: Format = { encode: (alert) => jsonLine(ecsDocument(alert)) };

/** One alert as an ECS document; what it lacks is left out. */
function ecsDocument(alert: ShownAlert): Record<string, unknown> {
  const facts = readFacts(alert);
  const { container, pod, user, source, destination } = facts;
  const severity = severityOf(alert.priority);
  return compact({
    '@timestamp': alert.time,
    message: alert.output,
    ecs: { version: SCHEMA_VERSION },
    event: {
      kind: 'alert',
      module: 'tocsin',
      dataset: 'tocsin.alerts',
      id: alert.id,
      category: categoriesOf(facts),
      type: ['info'],
      action: facts.event.type,
      severity,
      start: alert.first_seen,
      end: alert.last_seen,
    },
    log: {
      level: alert.priority.toLowerCase(),
      syslog: { severity: { code: severity, name: alert.priority } },
    },
    rule: { name: alert.rule },
    host: { name: alert.hostname, hostname: alert.hostname },
    user: { name: user.name, id: user.id },
    process: { ...processOf(facts.process), parent: processOf(facts.parent) },
    file: facts.file && { path: facts.file, name: facts.file.replace(/^.*\//, '') },
    source: endpointOf(source),
    destination: endpointOf(destination),
    network: { transport: facts.transport },
    container: {
      id: container.id,
      name: container.name,
      image: { name: container.image, tag: container.tag && [container.tag] },
    },
    orchestrator: pod.name && {
      type: 'kubernetes',
      namespace: pod.namespace,
      resource: { type: 'pod', name: pod.name },
    },
    threat: (facts.tactics.length > 0 || facts.techniques.length > 0) && {
      framework: 'MITRE ATT&CK',
      tactic: { name: facts.tactics },
      technique: { id: facts.techniques },
    },
    tags: alert.tags,
    tocsin: {
      agent: { id: alert.agent },
      fingerprint: alert.fingerprint,
      count: alert.count,
      status: alert.status,
      output_fields: labelsOf(alert),
    },
  });
}

const categoriesOf = ({ event }: AlertFacts): string[] =>
  event.about === 'other' ? ['intrusion_detection'] : ['intrusion_detection', event.about];

const processOf = ({ name, pid, executable, commandLine }: ProcessFacts) => ({
  name,
  pid,
  executable,
  command_line: commandLine,
});

const endpointOf = (endpoint: Endpoint | undefined) =>
  endpoint && { ip: endpoint.ip, address: endpoint.ip, port: endpoint.port };

/** Dots would nest, and numbers and text under one name would not fit one mapping: names with `_`, values as text. */
function labelsOf(alert: ShownAlert): Record<string, string> {
  return Object.fromEntries(
    Object.keys(alert.output_fields)
      .map((name): [string, string] => [
        name.replace(/[^A-Za-z0-9_-]+/g, '_'),
        cut(fieldText(alert, name), MAX_LABEL),
      ])
      .filter(([, value]) => value !== ''),
  );
}
