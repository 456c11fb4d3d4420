/** The alerts of late with their labels: what previews and dry runs look at. */
import type { StoredAlert } from '@tocsin/openapi';
import { labelsOf } from '../routing/labels.ts';
import type { Labels } from '../routing/types.ts';
import type { AlertStore } from '../store/alerts.ts';

export interface RecentAlert {
  readonly labels: Labels;
  readonly alert: StoredAlert;
}

const MOST = 5000;
const PAGE = 1000;

/** Labels of a stored alert: those it came with, or those that its fields make. */
const labelsOfStored = (alert: StoredAlert, fields: readonly string[]): Labels =>
  alert.external
    ? Object.assign(Object.create(null), alert.external.labels)
    : labelsOf(alert, alert.agent, fields);

/** The youngest alerts, one of each fingerprint; at most five thousand. `since` in ms. */
export async function recentAlerts(
  alerts: AlertStore,
  fields: readonly string[],
  since?: number,
): Promise<RecentAlert[]> {
  const found = new Map<string, StoredAlert>();
  let cursor: number | undefined;
  for (let read = 0; read < MOST; read += PAGE) {
    const { items, next } = await alerts.list({ since }, PAGE, cursor);
    for (const alert of items)
      if (!found.has(alert.fingerprint)) found.set(alert.fingerprint, alert);
    if (next === null) break;
    cursor = next;
  }
  return [...found.values()].map((alert) => ({ labels: labelsOfStored(alert, fields), alert }));
}
