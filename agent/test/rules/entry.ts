/** The rules and fields commands alone, for tests that run them as a process. */
import { Command } from 'commander';
import { registerFieldsCommand } from '../../src/commands/fields.ts';
import { registerRulesCommand } from '../../src/commands/rules.ts';

const program = new Command('tocsin');
registerRulesCommand(program);
registerFieldsCommand(program);
await program.parseAsync();
