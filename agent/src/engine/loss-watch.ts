import type { Alert } from '@tocsin/openapi';
import type { RecordCount } from '../probe/probe.ts';
import type { ByteString } from '../rules/field.ts';
import { type AlertStyle, internalAlert } from './alert-builder.ts';

/** The rule under which losses are told. */
export const LOSS_RULE = 'Tocsin internal: events lost';

/** Processes that are kept until the next alert; those that lost most come first. */
const FLOODERS_MAX = 256;
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
    const [flooder] = [...this.#flooders.values()].sort((a, b) => b.lost - a.lost);
    // The two accounts are read a moment apart, so that one process seems to have lost more than all.
    const most = flooder && { ...flooder, lost: Math.min(flooder.lost, total) };
    this.#flooders.clear();
    return internalAlert(
      LOSS_RULE,
      'Warning',
      `Tocsin lost ${total} events, which were not judged (${list})${most ? blameText(most) : ''}${hint}`,
      {
        'tocsin.lost': total,
        ...(most && {
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

/** Names of programs and containers are chosen by strangers; whoever shows the alert escapes them for its medium. */
function blameText({ lost, comm, tgid, container, name }: Flooder): string {
  const where =
    container === 'host'
      ? 'on the host'
      : `in container ${name ?? 'of unknown name'} (${container})`;
  return `, ${lost} of them of ${comm} (pid ${tgid}) ${where}`;
}
