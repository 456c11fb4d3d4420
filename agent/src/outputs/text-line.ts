import type { Alert } from '@tocsin/openapi';
import { quoteJson } from '../rules/output/encode-json.ts';

/** Falco's text line: the output as a JSON string without its quotes, so that no byte of an event can forge a line or move the cursor. */
export function toTextLine(alert: Alert): string {
  return quoteJson(alert.output).slice(1, -1);
}
