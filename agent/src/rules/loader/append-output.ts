import type { FieldDefinition } from '../field.ts';
import { FIELD_DEFINITIONS } from '../fields/registry.ts';
import type { TemplatePart } from '../output/template.ts';
import type { RuleEntry } from './entry.ts';

/** Adds to the output of the rules it matches, as Falco's `append_output`. */
export interface AppendOutput {
  readonly match?: {
    readonly source?: string;
    readonly rule?: string;
    /** All of them must be present. */
    readonly tags?: readonly string[];
  };
  readonly extraOutput?: string;
  /** A field name, whose JSON type is kept, or a key with a template. */
  readonly extraFields?: readonly (string | { readonly key: string; readonly format: string })[];
  /** Appends the fields that the registry suggests for every output. */
  readonly suggestedOutput?: boolean;
}

/** A field added to `output_fields` only. */
export interface ExtraField {
  readonly key: string;
  readonly parts: readonly TemplatePart[];
  /** Keeps the type of its one field instead of making text. */
  readonly raw: boolean;
}

/** Where an alert happened: what every alert should carry whatever its rule shows. */
export const SUGGESTED_FIELDS: readonly string[] = FIELD_DEFINITIONS.filter(
  ({ suggested }) => suggested,
).map(({ name }) => name);

/** The text that `suggestedOutput` appends. */
function suggestedOutput(definitions: readonly FieldDefinition[]): string {
  return definitions
    .filter((definition) => definition.suggested)
    .map(({ name }) => `${name.replaceAll('.', '_')}=%${name}`)
    .join(' ');
}

function applies({ match }: AppendOutput, rule: RuleEntry): boolean {
  if (match?.source !== undefined && match.source !== rule.source) return false;
  if (match?.rule !== undefined && match.rule !== rule.name) return false;
  return match?.tags?.every((tag) => rule.tags.has(tag)) ?? true;
}

/** A rule's output with what is appended to it, read. Throws `TemplateError`. */
export function outputOf(
  rule: RuleEntry,
  entries: readonly AppendOutput[],
  definitions: readonly FieldDefinition[],
  parse: (text: string) => TemplatePart[],
): { text: string; parts: TemplatePart[]; extraFields: ExtraField[] } {
  // The token once stood for container fields that are appended otherwise now.
  let text = rule.output.text.replaceAll('%container.info', '').trim();
  const extraFields: ExtraField[] = [];
  for (const entry of entries) {
    if (!applies(entry, rule)) continue;
    if (entry.extraOutput !== undefined) text += ` ${entry.extraOutput}`;
    if (entry.suggestedOutput) text += ` ${suggestedOutput(definitions)}`;
    for (const field of entry.extraFields ?? []) {
      const raw = typeof field === 'string';
      const key = raw ? field : field.key;
      extraFields.push({ key, parts: parse(raw ? `%${field}` : field.format), raw });
    }
  }
  return { text, parts: parse(text), extraFields };
}
