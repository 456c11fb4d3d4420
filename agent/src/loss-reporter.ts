import type { Priority } from '@tocsin/openapi';
import type { InternalAlert } from './internal-alert.ts';
import type { SpoolLoss } from './uplink/spool.ts';

const REPORT_EVERY_MS = 10_000;

const MESSAGES: Readonly<Record<SpoolLoss, string>> = {
  spool_full: 'Alerts were lost: the spool is full and the control plane does not take them',
  disk_error: 'Alerts were lost: the spool cannot be written',
};

/** Turns lost alerts into alerts: one a while and reason, with the numbers by priority. */
export class LossReporter {
  readonly #raise: (alert: InternalAlert) => void;
  readonly #lost = new Map<SpoolLoss, Map<Priority, number>>();
  #timer: NodeJS.Timeout | undefined;

  constructor(raise: (alert: InternalAlert) => void) {
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
      const fields = Object.fromEntries(
        [...counts].map(([priority, alerts]) => [`lost.${priority.toLowerCase()}`, alerts]),
      );
      this.#raise({
        rule: 'Tocsin internal: alerts lost',
        priority: 'Critical',
        message: MESSAGES[reason],
        fields: { reason, ...fields },
      });
    }
  }
}
