import type { Alert } from '@tocsin/openapi';
import type { RecordCount } from '../probe/probe.ts';
import type { ByteString } from '../rules/field.ts';
import { type AlertStyle, internalAlert } from './alert-builder.ts';

/** The rule under which losses are told. */
export const LOSS_RULE = 'Tocsin internal: events lost';

/** Processes that are kept until the next alert; those that lost most come first. As many as the kernel tells of at a time. */
const FLOODERS_MAX = 1024;
/** Losses of these make the process table doubtful. */
const LIFECYCLE = new Set(['fork', 'exec', 'exit']);

/** What was lost since the last look. */
export interface Losses {
  readonly total: number;
  /** Whether the process table has to be compared with /proc. */
  readonly lifecycle: boolean;
}

/** A process whose records were lost, and where it runs. */
export interface Flooder {
  readonly tgid: number;
  readonly comm: ByteString;
  readonly lost: number;
  /** `host`, or the short id of a container. */
  readonly container: ByteString;
  readonly name: ByteString | undefined;
}

/** Adds up what was lost and tells it, at most once in a while. */
export class LossWatch {
  readonly #style: AlertStyle;
  readonly #everyMs: number;
  readonly #now: () => number;
  readonly #before = new Map<string, number>();
  readonly #untold = new Map<string, number>();
  /** Of what was not told, the part that was lost by one process, by its number. */
  readonly #flooders = new Map<number, Flooder>();
  #toldAt = Number.NEGATIVE_INFINITY;

  constructor(style: AlertStyle, everyMs = 30_000, now: () => number = () => performance.now()) {
    this.#style = style;
    this.#everyMs = everyMs;
    this.#now = now;
  }

  /** Takes the counts as they are now, and whose records were lost since the last look. */
  observe(counts: readonly RecordCount[], flooders: readonly Flooder[] = []): Losses {
    for (const flooder of flooders.slice(0, FLOODERS_MAX)) {
      const lost = flooder.lost + (this.#flooders.get(flooder.tgid)?.lost ?? 0);
      if (this.#flooders.size < FLOODERS_MAX || this.#flooders.has(flooder.tgid))
        this.#flooders.set(flooder.tgid, { ...flooder, lost });
    }
    let total = 0;
    let lifecycle = false;
    for (const { kind, fate, count } of counts) {
      if (fate === 'sent') continue;
      const key = `${kind}.${fate}`;
      const lost = count - (this.#before.get(key) ?? 0);
      this.#before.set(key, count);
      if (lost <= 0) continue;
      total += lost;
      lifecycle ||= LIFECYCLE.has(kind);
      this.#untold.set(key, (this.#untold.get(key) ?? 0) + lost);
    }
    return { total, lifecycle };
  }

  /** The alert about what was lost and not yet told, if it is time for one or there will be no other. */
  alert(isLast = false): Alert | undefined {
    const now = this.#now();
    if (this.#untold.size === 0 || (!isLast && now - this.#toldAt < this.#everyMs))
      return undefined;
    this.#toldAt = now;
    const lost = [...this.#untold].sort(([, a], [, b]) => b - a);
    this.#untold.clear();
    const total = lost.reduce((sum, [, count]) => sum + count, 0);
    const list = lost.map(([key, count]) => `${key.replace('.', ' ')} ${count}`).join(', ');
    const crowded = lost.some(([key]) => key.endsWith('.full') || key.endsWith('.shed'));
    const hint = crowded ? ': raise the ring size, or watch fewer calls' : '';
    const most = worstOf([...this.#flooders.values()], total);
    this.#flooders.clear();
    return internalAlert(
      LOSS_RULE,
      'Warning',
      `Tocsin lost ${total} events, which were not judged (${list})${most ? blameText(most) : ''}${hint}`,
      {
        'tocsin.lost': total,
        ...(most && {
          'tocsin.lost.there': most.there,
          'tocsin.lost.by': most.lost,
          'proc.name': most.comm,
          'proc.pid': most.tgid,
          'container.id': most.container,
          ...(most.name !== undefined && { 'container.name': most.name }),
        }),
        ...Object.fromEntries(lost.map(([key, count]) => [`tocsin.lost.${key}`, count])),
      },
      this.#style,
    );
  }
}

/** A process that lost most of those in its container, and what all of them lost there. */
interface Worst extends Flooder {
  readonly there: number;
}

/** The container that lost most, and in it the process: a storm may be of processes that each live for a moment. */
function worstOf(flooders: readonly Flooder[], total: number): Worst | undefined {
  const places = new Map<ByteString, Worst>();
  for (const flooder of flooders) {
    const before = places.get(flooder.container);
    const there = flooder.lost + (before?.there ?? 0);
    const worst = before !== undefined && before.lost >= flooder.lost ? before : flooder;
    places.set(flooder.container, { ...worst, there });
  }
  const [worst] = [...places.values()].sort((a, b) => b.there - a.there);
  // The accounts are read a moment apart, so that one process can seem to have lost more than all.
  const most = (count: number) => Math.min(count, total);
  return worst && { ...worst, lost: most(worst.lost), there: most(worst.there) };
}

/** Names of programs and containers are chosen by strangers; whoever shows the alert escapes them for its medium. */
function blameText({ there, lost, comm, tgid, container, name }: Worst): string {
  const where =
    container === 'host'
      ? 'on the host'
      : `in container ${name ?? 'of unknown name'} (${container})`;
  return `, ${there} of them ${where}, ${lost} by ${comm} (pid ${tgid})`;
}
