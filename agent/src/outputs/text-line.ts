import type { Alert } from '@tocsin/openapi';

// JSON escapes the others.
const TERMINAL_CONTROLS = /[\u007f-\u009f]/g;

/** Falco's text line: the output as a JSON string without its quotes, so that no byte of an event can forge a line or move the cursor. */
export function toTextLine(alert: Alert): string {
  return JSON.stringify(alert.output)
    .slice(1, -1)
    .replace(TERMINAL_CONTROLS, (character) => `\\u00${character.charCodeAt(0).toString(16)}`);
}
