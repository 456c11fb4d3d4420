import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { EngineStatistics } from '../engine/messages.ts';
import type { Output } from '../outputs/output.ts';
import type { SkippedProgram } from '../probe/probe.ts';
import type { Uplink } from '../uplink/uplink.ts';

/** Where the numbers are read, at each scrape. */
export interface MetricsSources {
  readonly version: string;
  readonly reloads: Readonly<Record<'accepted' | 'refused', number>>;
  readonly engine: () => Partial<EngineStatistics>;
  readonly skipped: () => readonly SkippedProgram[];
  readonly uplink: () => Pick<Uplink, 'counters' | 'waitingBytes' | 'waitingMs'> | undefined;
  readonly outputs: () => readonly Pick<Output, 'name' | 'counters'>[];
}

type Sample = readonly [labels: Readonly<Record<string, string>>, value: number];
type Read = () => Iterable<Sample>;

/** Sizes among the numbers of the engine; the other numbers beside them are counts. */
const SIZES = [
  ['tocsin_processes', 'Processes in the table, the dead among them.', 'processes', 'size'],
  ['tocsin_processes_dead', 'Dead processes still in the table.', 'processes', 'dead'],
  ['tocsin_processes_bytes', 'Bytes of the process table, about.', 'processes', 'bytes'],
  ['tocsin_processes_limit', 'Most processes in the table.', 'processes', 'limit'],
  ['tocsin_processes_limit_bytes', 'Most bytes of the process table.', 'processes', 'byteLimit'],
  ['tocsin_cgroups', 'Cgroups in the table.', 'containers', 'cgroups'],
  ['tocsin_cgroups_limit', 'Most cgroups in the table.', 'containers', 'cgroupLimit'],
  ['tocsin_containers', 'Containers in the table.', 'containers', 'containers'],
  ['tocsin_containers_bytes', 'Bytes of the facts of containers, about.', 'containers', 'bytes'],
  ['tocsin_containers_limit', 'Most containers in the table.', 'containers', 'containerLimit'],
  ['tocsin_containers_limit_bytes', 'Most bytes of facts.', 'containers', 'byteLimit'],
  ['tocsin_account_tables', 'Hosts and containers whose users are known.', 'accounts', 'tables'],
  ['tocsin_accounts_bytes', 'Bytes of names of users and groups, about.', 'accounts', 'bytes'],
  ['tocsin_account_tables_limit', 'Most tables of users.', 'accounts', 'limit'],
  ['tocsin_accounts_limit_bytes', 'Most bytes of names.', 'accounts', 'byteLimit'],
  ['tocsin_kubernetes_pods', 'Pods of this node, by the API.', 'kubernetes', 'pods'],
  ['tocsin_parked_events', 'Events that wait for facts.', 'parking', 'waiting'],
  ['tocsin_engine_alerts', 'Alerts on their way out of the engine.', 'alerts', 'waiting'],
] as const;

const HAPPENINGS = [
  ['tocsin_process_events_total', 'What happened to the table of processes.', 'processes'],
  ['tocsin_container_events_total', 'What became known of containers.', 'containers'],
  ['tocsin_kubernetes_events_total', 'What was had from the Kubernetes API.', 'kubernetes'],
  ['tocsin_parking_events_total', 'Events that waited for facts, and how it ended.', 'parking'],
] as const;

/** Builds the metrics of an agent on a registry of their own. Labels come from closed sets, and from the names of rules and outputs. */
export function buildMetrics(sources: MetricsSources): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const { version } = sources;
  gauge(registry, 'tocsin_build_info', 'What runs here.', ['version', 'node'], () => [
    [{ version, node: process.version }, 1],
  ]);
  addEngine(registry, sources);
  addRules(registry, sources);
  addUplink(registry, sources);
  addOutputs(registry, sources);
  return registry;
}

function addEngine(registry: Registry, { engine, skipped }: MetricsSources): void {
  gauge(
    registry,
    'tocsin_probe_program_skipped',
    'Optional programs of the probe that do not run on this kernel.',
    ['program', 'reason'],
    () => skipped().map(({ program, reason }) => [{ program, reason }, 1]),
  );
  counter(
    registry,
    'tocsin_kernel_records_total',
    'Records of the probe by kind and fate; all fates but sent are losses.',
    ['kind', 'fate'],
    () => (engine().kernel ?? []).map(({ kind, fate, count }) => [{ kind, fate }, count]),
  );
  counter(
    registry,
    'tocsin_kernel_filtered_total',
    'Events of watched calls that no rule could match and that the kernel left out, by kind and reason.',
    ['kind', 'reason'],
    () => (engine().filtered ?? []).map(({ kind, reason, count }) => [{ kind, reason }, count]),
  );
  counter(
    registry,
    'tocsin_pipeline_records_total',
    'Records the engine read and judged, that were malformed, or that never came.',
    ['state'],
    () => labelled('state', engine().pipeline),
  );
  counter(
    registry,
    'tocsin_call_records_total',
    'Records of each watched system call: sent by the probe, or lost for whatever cause.',
    ['type', 'fate'],
    () =>
      (engine().calls ?? []).flatMap(({ type, sent, lost }): Sample[] => [
        [{ type, fate: 'sent' }, sent],
        [{ type, fate: 'lost' }, lost],
      ]),
  );
  for (const [name, help, section, key] of SIZES)
    gauge(registry, name, help, [], () => single(engine()[section]?.[key]));
  const sizes = new Set<string>(SIZES.map(([, , section, key]) => `${section}.${key}`));
  for (const [name, help, section] of HAPPENINGS) {
    counter(registry, name, help, ['event'], () => {
      const counts = Object.entries(engine()[section] ?? {});
      const events = counts.filter(([key]) => !sizes.has(`${section}.${key}`));
      return labelled('event', Object.fromEntries(events));
    });
  }
}

function addRules(registry: Registry, { engine, reloads }: MetricsSources): void {
  const rules = () => Object.entries(engine().rules ?? {});
  const byRule =
    (what: 'matched' | 'errors' | 'seconds' | 'coverage'): Read =>
    () =>
      rules().map(([rule, counters]) => [{ rule }, counters[what]]);
  gauge(registry, 'tocsin_rules', 'Rules in force.', [], () => [[{}, rules().length]]);
  counter(
    registry,
    'tocsin_rule_matches_total',
    'Events that a rule matched, since it was first loaded.',
    ['rule'],
    byRule('matched'),
  );
  counter(
    registry,
    'tocsin_rule_errors_total',
    'Events on which a rule or its output failed.',
    ['rule'],
    byRule('errors'),
  );
  counter(
    registry,
    'tocsin_rule_seconds_total',
    'Time that trying a rule by itself takes, estimated from a sample of events; rules share work, so that the sum is too high.',
    ['rule'],
    byRule('seconds'),
  );
  gauge(
    registry,
    'tocsin_rule_coverage_ratio',
    'Share of the records of the event types of a rule that were seen and not lost, since the start.',
    ['rule'],
    byRule('coverage'),
  );
  counter(
    registry,
    'tocsin_rule_reloads_total',
    'Attempts to take other rules, by result.',
    ['result'],
    () => labelled('result', reloads),
  );
}

function addUplink(registry: Registry, { engine, uplink }: MetricsSources): void {
  const counters = () => uplink()?.counters;
  const dropped = (): { reason: string; priority: string; count: number }[] =>
    Object.entries(counters()?.dropped.toJSON() ?? {}).map(([key, count]) => {
      const [reason = '', priority = ''] = key.split('/');
      return { reason, priority: priority.toLowerCase(), count };
    });
  counter(
    registry,
    'tocsin_alerts_dropped_total',
    'Alerts lost before the control plane had them, by reason.',
    ['reason'],
    () => [
      [{ reason: 'engine_full' }, engine().alerts?.['dropped'] ?? 0],
      ...dropped().map(({ reason, count }): Sample => [{ reason }, count]),
    ],
  );
  counter(
    registry,
    'tocsin_spool_dropped_total',
    'Alerts the spool lost, by reason and priority.',
    ['reason', 'priority'],
    () => dropped().map(({ count, ...labels }) => [labels, count]),
  );
  gauge(registry, 'tocsin_spool_bytes', 'Bytes that wait to be sent.', [], () =>
    single(uplink()?.waitingBytes),
  );
  gauge(
    registry,
    'tocsin_spool_oldest_seconds',
    'Age of the oldest alert in the spool.',
    [],
    () => {
      const { waitingMs } = uplink() ?? {};
      return single(waitingMs === undefined ? undefined : waitingMs / 1000);
    },
  );
  counter(
    registry,
    'tocsin_uplink_alerts_total',
    'Alerts given to the uplink, sent, shortened to fit, or put aside because the control plane does not take them.',
    ['state'],
    () => {
      const { received, sentAlerts, shortened, rejected } = counters() ?? {};
      return labelled('state', { received, sent: sentAlerts, shortened, rejected });
    },
  );
  counter(
    registry,
    'tocsin_uplink_batches_total',
    'Batches sent, and those that were renumbered, signed again or split before.',
    ['state'],
    () => {
      const { sentBatches, renumbered, resigned, split } = counters() ?? {};
      return labelled('state', { sent: sentBatches, renumbered, resigned, split });
    },
  );
  counter(registry, 'tocsin_uplink_sent_bytes_total', 'Bytes of the batches sent.', [], () =>
    single(counters()?.sentBytes),
  );
  counter(
    registry,
    'tocsin_uplink_retries_total',
    'Attempts that failed and were made again, by reason.',
    ['reason'],
    () => labelled('reason', counters()?.retries.toJSON()),
  );
}

function addOutputs(registry: Registry, { outputs }: MetricsSources): void {
  const lines = function* (): Iterable<Sample> {
    for (const { name: output, counters } of outputs()) {
      yield [{ output, result: 'written' }, counters.written];
      yield [{ output, result: 'dropped' }, counters.dropped];
    }
  };
  counter(
    registry,
    'tocsin_output_lines_total',
    'Alerts the outputs wrote or lost.',
    ['output', 'result'],
    lines,
  );
  counter(
    registry,
    'tocsin_output_failures_total',
    'Writes of outputs that failed and were tried again.',
    ['output'],
    () => outputs().map(({ name, counters }) => [{ output: name }, counters.failures]),
  );
}

function* labelled(
  label: string,
  counts: Readonly<Record<string, number | undefined>> = {},
): Iterable<Sample> {
  for (const [key, value] of Object.entries(counts))
    if (value !== undefined) yield [{ [label]: snakeCase(key) }, value];
}

const snakeCase = (key: string) => key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

const single = (value: number | undefined): Sample[] => (value === undefined ? [] : [[{}, value]]);

/** A counter that is kept elsewhere. Samples with the same labels are added up. */
function counter(
  registry: Registry,
  name: string,
  help: string,
  labelNames: readonly string[],
  read: Read,
): void {
  new Counter({
    name,
    help,
    labelNames,
    registers: [registry],
    collect() {
      this.reset();
      for (const [labels, value] of read()) this.inc(labels, value);
    },
  });
}

function gauge(
  registry: Registry,
  name: string,
  help: string,
  labelNames: readonly string[],
  read: Read,
): void {
  new Gauge({
    name,
    help,
    labelNames,
    registers: [registry],
    collect() {
      this.reset();
      for (const [labels, value] of read()) this.set(labels, value);
    },
  });
}
