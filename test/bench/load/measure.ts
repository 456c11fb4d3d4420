import { readFileSync } from 'node:fs';
import { Connection } from './connection.ts';
import type { Target } from './programs.ts';

export interface Sample {
  readonly requestsPerSecond: number;
  readonly p99Ms: number;
  /** CPU time a request by process, in microseconds; `clients` is the load generator. */
  readonly cpuUs: Readonly<Record<string, number>>;
}

const TICKS_PER_SECOND = 100;

/** CPU time of a process with all its threads, seconds. */
function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** Sends what was prepared: each agent one request after the other on its own connection, all agents at once. */
export async function sendAll(
  target: Target,
  prepared: readonly (readonly Buffer[])[],
): Promise<Sample> {
  const connections = await Promise.all(prepared.map(() => Connection.open(target.url)));
  const processes: Record<string, number> = { ...target.pids, clients: process.pid };
  const cpu = () =>
    Object.fromEntries(Object.entries(processes).map(([name, pid]) => [name, cpuSeconds(pid)]));
  const times: number[] = [];
  const before = cpu();
  const began = performance.now();
  await Promise.all(
    connections.map(async (connection, agent) => {
      for (const request of prepared[agent] ?? []) {
        const from = performance.now();
        await connection.send(request);
        times.push(performance.now() - from);
      }
    }),
  );
  const seconds = (performance.now() - began) / 1000;
  const after = cpu();
  for (const connection of connections) connection.close();
  times.sort((a, b) => a - b);
  return {
    requestsPerSecond: times.length / seconds,
    p99Ms: times[Math.floor(times.length * 0.99)] ?? 0,
    cpuUs: Object.fromEntries(
      Object.entries(after).map(([name, now]) => [
        name,
        ((now - (before[name] ?? 0)) * 1e6) / times.length,
      ]),
    ),
  };
}
