/** Open Cybersecurity Schema Framework 1.4, class Detection Finding (2004). */
import { type Priority, severityOf } from '@tocsin/openapi';
import { fieldText } from '../alert-fields.ts';
import type { ShownAlert } from '../channel.ts';
import { jsonLine } from '../text.ts';
import { type AlertFacts, type Endpoint, type ProcessFacts, readFacts } from './facts.ts';
import { type Format, PRODUCT } from './format.ts';
import { compact } from './json.ts';

const SCHEMA_VERSION = '1.4.0';
const ATTACK_VERSION = '16';
const CLASS = 2004;
/** What happened to the finding, and how it is now: an alert of a group that no longer fires is closed. */
const CREATED = { activity: 1, name: 'Create', status_id: 1, status: 'New' };
const CLOSED = { activity: 3, name: 'Close', status_id: 4, status: 'Resolved' };

/** OCSF's scale, by Falco priority from Emergency to Debug. */
const SEVERITIES: readonly (readonly [number, string])[] = [
  [6, 'Fatal'],
  [5, 'Critical'],
  [5, 'Critical'],
  [4, 'High'],
  [3, 'Medium'],
  [2, 'Low'],
  [1, 'Informational'],
  [1, 'Informational'],
];

export const ocsf: Format = { encode: (alert) => jsonLine(ocsfFinding(alert)) };

/** One alert as a Detection Finding; what it lacks is left out. Times are ms since the epoch. */
function ocsfFinding(alert: ShownAlert): Record<string, unknown> {
  const facts = readFacts(alert);
  const time = Date.parse(alert.time);
  const state = alert.status === 'resolved' ? CLOSED : CREATED;
  const [severityId, severity] = severityFor(alert.priority);
  return compact({
    activity_id: state.activity,
    activity_name: state.name,
    category_uid: 2,
    category_name: 'Findings',
    class_uid: CLASS,
    class_name: 'Detection Finding',
    type_uid: CLASS * 100 + state.activity,
    type_name: `Detection Finding: ${state.name}`,
    time,
    start_time: Date.parse(alert.first_seen),
    end_time: Date.parse(alert.last_seen),
    count: alert.count,
    severity_id: severityId,
    severity,
    status_id: state.status_id,
    status: state.status,
    is_alert: true,
    message: alert.output,
    metadata: {
      version: SCHEMA_VERSION,
      uid: alert.id,
      original_time: alert.time,
      log_name: alert.source,
      labels: alert.tags,
      product: { name: PRODUCT.name, vendor_name: PRODUCT.vendor, version: PRODUCT.version },
    },
    finding_info: {
      uid: alert.id,
      title: alert.rule,
      desc: alert.output,
      created_time: time,
      first_seen_time: Date.parse(alert.first_seen),
      last_seen_time: Date.parse(alert.last_seen),
      analytic: { name: alert.rule, type_id: 1, type: 'Rule' },
      attacks: attacksOf(facts),
    },
    evidences: evidencesOf(facts),
    device: { hostname: alert.hostname, type_id: 0, type: 'Unknown' },
    unmapped: {
      ...Object.fromEntries(
        Object.keys(alert.output_fields).map((name) => [name, fieldText(alert, name)]),
      ),
      'tocsin.agent': alert.agent,
      'tocsin.fingerprint': alert.fingerprint,
    },
  });
}

const severityFor = (priority: Priority) => SEVERITIES[severityOf(priority)] ?? [0, 'Unknown'];

/** Tags name tactics and techniques without saying which belong together: each stands alone. */
const attacksOf = ({ tactics, techniques }: AlertFacts) => [
  ...techniques.map((uid) => ({ version: ATTACK_VERSION, technique: { uid } })),
  ...tactics.map((name) => ({ version: ATTACK_VERSION, tactic: { name } })),
];

function evidencesOf(facts: AlertFacts) {
  const { container, user, file } = facts;
  const evidence = compact({
    process: {
      ...processOf(facts.process),
      user: { name: user.name, uid: user.id },
      parent_process: processOf(facts.parent),
      container: {
        uid: container.id,
        name: container.name,
        image: container.image && {
          // Required of an image; events seldom have its id.
          uid: container.imageId || [container.image, container.tag].filter(Boolean).join(':'),
          name: container.image,
          tag: container.tag,
        },
      },
    },
    file: file && { name: file.replace(/^.*\//, '') || file, path: file, type_id: 0 },
    src_endpoint: endpointOf(facts.source),
    dst_endpoint: endpointOf(facts.destination),
    connection_info: facts.transport && { protocol_name: facts.transport, direction_id: 0 },
  });
  return Object.keys(evidence).length === 0 ? [] : [evidence];
}

const processOf = ({ name, pid, executable, commandLine }: ProcessFacts) => ({
  name,
  pid,
  cmd_line: commandLine,
  file: executable && {
    name: executable.replace(/^.*\//, '') || executable,
    path: executable,
    type_id: 1,
  },
});

const endpointOf = (endpoint: Endpoint | undefined) =>
  endpoint && { ip: endpoint.ip, port: endpoint.port };
