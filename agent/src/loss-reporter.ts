import type { Alert, Priority } from '@tocsin/openapi';
import { type AlertStyle, internalAlert } from './engine/alert-builder.ts';
import type { SpoolLoss } from './uplink/spool.ts';

const LOSS_RULE = 'Tocsin internal: alerts lost';
const REPORT_EVERY_MS = 10_000;

const MESSAGES: Readonly<Record<SpoolLoss | 'output_full', (output?: string) => string>> = {
  spool_full: () => 'the spool is full and the control plane does not take them',
  disk_error: () => 'the spool cannot be written',
  output_full: (output) => `the output ${output} does not keep up, and its queue is full`,
};
export type LossReason = keyof typeof MESSAGES;

interface Loss {
  readonly reason: LossReason;
  readonly output: string | undefined;
  readonly counts: Map<Priority, number>;
}

/** Turns lost alerts into alerts: one a while and reason, with the numbers by priority. */
export class LossReporter {
  readonly #style: AlertStyle;
  readonly #raise: (alert: Alert) => void;
  readonly #lost = new Map<string, Loss>();
  #timer: NodeJS.Timeout | undefined;

  constructor(style: AlertStyle, raise: (alert: Alert) => void) {
    this.#style = style;
    this.#raise = raise;
  }

  /** `output` is the name of the one that lost them, when it was one. */
  add(priority: Priority, alerts: number, reason: LossReason, output?: string): void {
    const key = `${reason} ${output}`;
    const { counts } = this.#lost.get(key) ?? { counts: new Map<Priority, number>() };
    counts.set(priority, (counts.get(priority) ?? 0) + alerts);
    this.#lost.set(key, { reason, output, counts });
    this.#timer ??= setTimeout(() => this.flush(), REPORT_EVERY_MS);
  }

  /** Tells what was lost since the last time. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const lost = [...this.#lost.values()];
    this.#lost.clear();
    for (const { reason, output, counts } of lost) {
      const fields: Record<string, unknown> = {
        'tocsin.reason': reason,
        ...(output !== undefined && { 'tocsin.output': output }),
      };
      let total = 0;
      for (const [priority, alerts] of counts) {
        fields[`tocsin.lost.${priority.toLowerCase()}`] = alerts;
        total += alerts;
      }
      const message = `${total} alerts were lost: ${MESSAGES[reason](output)}.`;
      this.#raise(internalAlert(LOSS_RULE, 'Critical', message, fields, this.#style));
    }
  }
}
