import type { Alert } from '@tocsin/openapi';
import type { RecordCount } from '../probe/probe.ts';
import { type AlertStyle, internalAlert } from './alert-builder.ts';

/** The rule under which losses are told. */
export const LOSS_RULE = 'Tocsin internal: events lost';

/** Losses of these make the process table doubtful. */
const LIFECYCLE = new Set(['fork', 'exec', 'exit']);

/** What was lost since the last look. */
export interface Losses {
  readonly total: number;
  /** Whether the process table has to be compared with /proc. */
  readonly lifecycle: boolean;
}

/** Adds up what was lost and tells it, at most once in a while. */
export class LossWatch {
  readonly #style: AlertStyle;
  readonly #everyMs: number;
  readonly #now: () => number;
  readonly #before = new Map<string, number>();
  readonly #untold = new Map<string, number>();
  #toldAt = Number.NEGATIVE_INFINITY;

  constructor(style: AlertStyle, everyMs = 30_000, now: () => number = () => performance.now()) {
    this.#style = style;
    this.#everyMs = everyMs;
    this.#now = now;
  }

  /** Takes the counts as they are now. */
  observe(counts: readonly RecordCount[]): Losses {
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
    return internalAlert(
      LOSS_RULE,
      'Warning',
      `${total} kernel events were lost and not judged (${list})${hint}`,
      {
        'tocsin.lost': total,
        ...Object.fromEntries(lost.map(([key, count]) => [`tocsin.lost.${key}`, count])),
      },
      this.#style,
    );
  }
}
