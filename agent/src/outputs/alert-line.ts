import { ALERT_LIMITS, type Alert } from '@tocsin/openapi';
import { encodeJson } from '../rules/output/encode-json.ts';

/** An alert and its JSON, which is made once and is the same in every output and on the wire. */
export interface AlertLine {
  readonly alert: Alert;
  /** One line of JSON without the newline. */
  readonly line: string;
  /** Something was cut to fit the limits of the wire. */
  readonly isShortened: boolean;
}

/** Strings of an alert that is too long are cut to this length, then to a quarter of it, and so on. */
const LONGEST_STRING = 16 * 1024;
const SHORTEST_STRING = 16;

/** Writes an alert as JSON that the control plane takes: what is too long is cut. */
export function toAlertLine(alert: Alert): AlertLine {
  let fitting = fitShape(alert);
  let line = encodeJson(fitting);
  for (let length = LONGEST_STRING; isTooLong(line) && length >= SHORTEST_STRING; length /= 4) {
    fitting = shortenStrings(fitting, length);
    line = encodeJson(fitting);
  }
  return { alert: fitting, line, isShortened: fitting !== alert };
}

const isTooLong = (line: string): boolean =>
  line.length * 3 > ALERT_LIMITS.lineBytes && Buffer.byteLength(line) > ALERT_LIMITS.lineBytes;

function fitShape(alert: Alert): Alert {
  const { rule, output, output_fields, tags } = alert;
  const names = Object.keys(output_fields);
  const fits =
    rule.length <= ALERT_LIMITS.ruleLength &&
    output.length <= ALERT_LIMITS.outputLength &&
    names.length <= ALERT_LIMITS.outputFields &&
    tags.length <= ALERT_LIMITS.tags &&
    tags.every((tag) => tag.length <= ALERT_LIMITS.tagLength);
  if (fits) return alert;
  return {
    ...alert,
    rule: cut(rule, ALERT_LIMITS.ruleLength),
    output: cut(output, ALERT_LIMITS.outputLength),
    output_fields: Object.fromEntries(
      names.slice(0, ALERT_LIMITS.outputFields).map((name) => [name, output_fields[name]]),
    ),
    tags: tags.slice(0, ALERT_LIMITS.tags).map((tag) => cut(tag, ALERT_LIMITS.tagLength)),
  };
}

function shortenStrings(alert: Alert, length: number): Alert {
  return {
    ...alert,
    output: cut(alert.output, length),
    output_fields: Object.fromEntries(
      Object.entries(alert.output_fields).map(([name, value]) => [
        name,
        shortenValue(value, length),
      ]),
    ),
  };
}

function shortenValue(value: unknown, length: number): unknown {
  if (typeof value === 'string') return cut(value, length);
  if (Array.isArray(value)) return value.slice(0, length).map((item) => shortenValue(item, length));
  return value;
}

/** Cuts between characters, and shows that it did. */
function cut(text: string, length: number): string {
  if (text.length <= length) return text;
  return `${text.slice(0, length - 1).replace(/[\uD800-\uDBFF]$/, '')}…`;
}
