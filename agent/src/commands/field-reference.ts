/** The reference of fields, made of the one table that conditions and outputs are checked against. */
import { never } from '../events/fields/context.ts';
import { kernelEventFields } from '../events/fields/source.ts';
import type { FieldDefinition } from '../rules/field.ts';
import { FIELD_DEFINITIONS } from '../rules/fields/registry.ts';

/** One line of the reference. */
export interface FieldRow {
  /** The name with its argument as it is written: `proc.aname[index]`, in `[[…]]` when it may be left out. */
  readonly name: string;
  readonly type: string;
  readonly description: string;
  /** `blind`: accepted in rules, but this agent never has a value for it. */
  readonly support: 'supported' | 'blind';
  readonly deprecated: boolean;
  readonly conditionsOnly: boolean;
}

/** Arguments of which one fits every field that takes any. */
const SAMPLE_ARGUMENTS = [undefined, '0', 'res', 'x'];

/** Whether events of the kernel can have a value for the field. */
export function isSupported(definition: FieldDefinition): boolean {
  return SAMPLE_ARGUMENTS.some((argument) => {
    const reference = argument === undefined ? { definition } : { definition, argument };
    const extract = kernelEventFields.bind(reference);
    return extract !== undefined && extract !== never;
  });
}

/** The fields whose name begins so, in the order of the table. */
export function fieldRows(prefix = ''): readonly FieldRow[] {
  return FIELD_DEFINITIONS.filter(({ name }) => name.startsWith(prefix)).map((definition) => ({
    name: signature(definition),
    type: definition.list ? `list of ${definition.type}` : definition.type,
    description: definition.description,
    support: isSupported(definition) ? 'supported' : 'blind',
    deprecated: definition.deprecated ?? false,
    conditionsOnly: definition.filterOnly ?? false,
  }));
}

function signature({ name, argument }: FieldDefinition): string {
  if (!argument) return name;
  const word = argument.kind === 'index-or-key' ? 'index|key' : argument.kind;
  return argument.required ? `${name}[${word}]` : `${name}[[${word}]]`;
}

/** Aligned columns for a terminal. */
export function fieldsAsText(rows: readonly FieldRow[]): string {
  const width = Math.max(0, ...rows.map(({ name }) => name.length));
  return rows
    .map((row) => `${row.name.padEnd(width)}  ${row.description} (${notes(row)})\n`)
    .join('');
}

/** A table for each class of fields. */
export function fieldsAsMarkdown(rows: readonly FieldRow[]): string {
  const classes = new Map<string, FieldRow[]>();
  for (const row of rows) {
    const name = row.name.slice(0, row.name.search(/[.[]/));
    classes.set(name, [...(classes.get(name) ?? []), row]);
  }
  return [...classes]
    .map(([name, own]) => `## ${name}\n\n${HEAD}${own.map(markdownRow).join('')}`)
    .join('\n');
}

const HEAD = 'Name | Type | Description | Support\n:----|:-----|:------------|:-------\n';

function markdownRow({ name, type, description, ...row }: FieldRow): string {
  const cells = [`\`${name}\``, type, description, [row.support, ...marks(row)].join(', ')];
  return `${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')}\n`;
}

function notes(row: FieldRow): string {
  return [row.type, ...(row.support === 'blind' ? ['blind'] : []), ...marks(row)].join(', ');
}

function marks({
  conditionsOnly,
  deprecated,
}: Pick<FieldRow, 'conditionsOnly' | 'deprecated'>): string[] {
  return [...(conditionsOnly ? ['conditions only'] : []), ...(deprecated ? ['deprecated'] : [])];
}
