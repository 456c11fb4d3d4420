import { type Command, Option } from 'commander';
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
      if (options.json) process.stdout.write(`${JSON.stringify(rows)}\n`);
      else process.stdout.write(options.markdown ? fieldsAsMarkdown(rows) : fieldsAsText(rows));
    });
}
