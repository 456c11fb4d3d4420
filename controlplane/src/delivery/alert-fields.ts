/** Reading `output_fields`, whose names and values an agent chose. */
import type { StoredAlert } from '@tocsin/openapi';

type Fields = Pick<StoredAlert, 'output_fields'>;

/** The value of a field as text; empty when the event has no such value. */
export function fieldText({ output_fields }: Fields, name: string): string {
  const value = Object.hasOwn(output_fields, name) ? output_fields[name] : undefined;
  if (value === undefined || value === null || value === '<NA>') return '';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** The value of a field as a whole number; undefined when it is none. */
export function fieldInteger(alert: Fields, name: string): number | undefined {
  const text = fieldText(alert, name);
  return /^-?\d{1,15}$/.test(text) ? Number(text) : undefined;
}
