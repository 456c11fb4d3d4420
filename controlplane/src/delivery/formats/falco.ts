/** Falco's JSON, with what Tocsin knows beyond. */
import { alertJson } from '../alert-json.ts';
import { jsonLine } from '../text.ts';
import type { Format } from './format.ts';

export const falco: Format = {
  encode: (alert, notification) => jsonLine(alertJson(alert, notification)),
};
