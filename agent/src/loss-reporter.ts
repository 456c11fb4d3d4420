import type { Alert, Priority } from '@tocsin/openapi';
import { type AlertStyle, internalAlert } from './engine/alert-builder.ts';
import type { SpoolLoss } from './uplink/spool.ts';

const LOSS_RULE = 'Tocsin internal: alerts lost';
const REPORT_EVERY_MS = 10_000;

const MESSAGES: Readonly<Record<SpoolLoss, string>> = {
  spool_full: 'the spool is full and the control plane does not take them',
  disk_error: 'the spool cannot be written',
};

/** Turns lost alerts into alerts: one a while and reason, with the numbers by priority. */
export class LossReporter {
  readonly #style: AlertStyle;
  readonly #raise: (alert: Alert) => void;
  readonly #lost = new Map<SpoolLoss, Map<Priority, number>>();
  #timer: NodeJS.Timeout | undefined;

  constructor(style: AlertStyle, raise: (alert: Alert) => void) {
    this.#style = style;
    this.#raise = raise;
  }

  add(priority: Priority, alerts: number, reason: SpoolLoss): void {
    const counts = this.#lost.get(reason) ?? new Map<Priority, number>();
    counts.set(priority, (counts.get(priority) ?? 0) + alerts);
    this.#lost.set(reason, counts);
    this.#timer ??= setTimeout(() => this.flush(), REPORT_EVERY_MS);
  }

  /** Tells what was lost since the last time. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const lost = [...this.#lost];
    this.#lost.clear();
    for (const [reason, counts] of lost) {
      const fields: Record<string, unknown> = { 'tocsin.reason': reason };
      let total = 0;
      for (const [priority, alerts] of counts) {
        fields[`tocsin.lost.${priority.toLowerCase()}`] = alerts;
        total += alerts;
      }
      const message = `${total} alerts were lost: ${MESSAGES[reason]}.`;
      this.#raise(internalAlert(LOSS_RULE, 'Critical', message, fields, this.#style));
    }
  }
}
