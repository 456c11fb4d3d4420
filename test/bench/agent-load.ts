/** An agent under a load: its time, its memory, and what it says it lost. */
import { readFileSync } from 'node:fs';
import { type Running, tocsin } from '../support/tocsin.ts';

export interface Cost {
  /** Wall time of the load, ms. */
  readonly wallMs: number;
  /** CPU time of the agent meanwhile, ms. */
  readonly cpuMs: number;
  /** Of the agent at the end, bytes. */
  readonly rss: number;
}

/** CPU time of a process in milliseconds (ticks are 10 ms). */
export function cpuOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

export const rssOf = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;

/** Starts an agent that writes alerts to its standard output; settled when it sees events. */
export async function startAgent(
  dataDir: string,
  environment: Record<string, string> = {},
): Promise<Running> {
  const agent = tocsin(['agent', '--output', 'stdout-json', '--data-dir', dataDir], environment);
  await agent.line(/^ready$/m);
  return agent;
}

/** Puts the agent under a load. */
export async function underLoad(agent: Running, load: () => unknown): Promise<Cost> {
  const pid = agent.process.pid ?? 0;
  const cpu = cpuOf(pid);
  const start = performance.now();
  await load();
  const wallMs = performance.now() - start;
  return { wallMs, cpuMs: cpuOf(pid) - cpu, rss: rssOf(pid) };
}

/** Events that the agent says it lost, by its own alerts; complete once it has stopped. */
export function lostOf(agent: Running): number {
  let lost = 0;
  for (const line of agent.stdout().trim().split('\n')) {
    if (line === '') continue;
    const alert = JSON.parse(line) as { source: string; output_fields: Record<string, number> };
    if (alert.source === 'internal') lost += alert.output_fields['tocsin.lost'] ?? 0;
  }
  return lost;
}
