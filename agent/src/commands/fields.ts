import type { Command } from 'commander';
import type { FieldDefinition } from '../rules/field.ts';
import { FIELD_DEFINITIONS } from '../rules/fields/registry.ts';

function signature({ name, argument }: FieldDefinition): string {
  if (!argument) return name;
  return argument.required ? `${name}[${argument.kind}]` : `${name}[${argument.kind}]?`;
}

function notes(definition: FieldDefinition): string {
  const words = [definition.list ? `list of ${definition.type}` : definition.type];
  if (definition.filterOnly) words.push('conditions only');
  if (definition.deprecated) words.push('deprecated');
  return words.join(', ');
}

/** Adds `tocsin fields`, the reference of what conditions and outputs can use. */
export function registerFieldsCommand(program: Command): void {
  program
    .command('fields')
    .description('List the fields that conditions and outputs can use.')
    .argument('[prefix]', 'only fields whose name begins so, such as proc')
    .option('--json', 'print a JSON array')
    .action((prefix: string | undefined, { json }: { json?: boolean }) => {
      const shown = FIELD_DEFINITIONS.filter(({ name }) => name.startsWith(prefix ?? ''));
      if (json) {
        process.stdout.write(`${JSON.stringify(shown)}\n`);
        return;
      }
      const width = Math.max(0, ...shown.map((definition) => signature(definition).length));
      for (const definition of shown) {
        const label = signature(definition).padEnd(width);
        process.stdout.write(`${label}  ${definition.description} (${notes(definition)})\n`);
      }
    });
}
