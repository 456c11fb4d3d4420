import { type Command, Option } from 'commander';
import { FIELD_DEFINITIONS } from '../rules/fields/registry.ts';
import { closest } from '../rules/suggestion.ts';
import { CommandError } from './context.ts';
import { fieldRows, fieldsAsMarkdown, fieldsAsText } from './field-reference.ts';

/** Adds `tocsin fields`, the reference of what conditions and outputs can use. */
export function registerFieldsCommand(program: Command): void {
  program
    .command('fields')
    .description(
      'List the fields that conditions and outputs can use, and which have a value here.',
    )
    .argument('[prefix]', 'only fields whose name begins so, such as proc')
    .addOption(new Option('--json', 'print a JSON array').conflicts('markdown'))
    .option('--markdown', 'print a table for each class of fields')
    .action((prefix: string | undefined, options: { json?: boolean; markdown?: boolean }) => {
      const rows = fieldRows(prefix);
      if (prefix !== undefined && rows.length === 0) {
        const names = FIELD_DEFINITIONS.map(({ name }) => name);
        throw new CommandError(`no field begins with '${prefix}'${closest(prefix, names)}`);
      }
      if (options.json) process.stdout.write(`${JSON.stringify(rows)}\n`);
      else process.stdout.write(options.markdown ? fieldsAsMarkdown(rows) : fieldsAsText(rows));
    });
}
