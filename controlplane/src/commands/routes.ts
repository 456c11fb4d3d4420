import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { readAsGoDoes } from '@tocsin/openapi';
import type { Command } from 'commander';
import { parseDocument } from 'yaml';
import { printable } from '../delivery/text.ts';
import { StartupError } from '../errors.ts';
import { importAlertmanager } from '../import/alertmanager.ts';
import { importFalcosidekick } from '../import/falcosidekick.ts';
import type { Imported } from '../import/imported.ts';
import { compileRouting } from '../routing/compile.ts';
import { LabelsError, readLabels } from '../routing/labels.ts';
import { groupKey, groupLabels } from '../routing/tree.ts';
import type { RoutingTree } from '../routing/types.ts';
import { complaintsAbout, readSettings } from '../settings.ts';
import { type CommandContext, type SettingsFlags, withSettingsFlags } from './context.ts';
import { linesOf } from './lines.ts';
import { simulateCommand } from './simulate.ts';

/** `tocsin routes`: which way alerts go. */
export function routesCommand(program: Command, context: CommandContext): void {
  const routes = program
    .command('routes')
    .description('tell which way alerts go, try it out and convert what others configured');

  simulateCommand(routes, context);
  routes
    .command('import <file>')
    .description(
      'convert the configuration of Alertmanager or falcosidekick; what cannot be converted is told on stderr',
    )
    .action((file: string) => {
      const imported = importConfiguration(file);
      context.out.write(imported.text(basename(file)));
      for (const report of imported.reports) context.err.write(`${printable(report)}\n`);
    });

  withSettingsFlags(
    routes
      .command('match')
      .description('read {"labels":{…}} a line from stdin, and tell the routes that take each'),
    'nothing',
  ).action(async (flags: SettingsFlags) => {
    const { tree } = compileRouting(readSettings(flags, context.environment).config);
    if (!tree)
      throw new StartupError("The configuration has no 'route': without one nothing is routed.");
    let wrong = 0;
    for await (const { line, number } of linesOf(context.in)) {
      const told = answer(tree, line);
      if ('error' in told) {
        wrong++;
        context.err.write(`tocsin: line ${number}: ${printable(String(told.error))}\n`);
      }
      const taken = context.out.write(`${JSON.stringify(told)}\n`);
      if (!taken) await once(context.out, 'drain');
    }
    if (wrong > 0)
      throw new StartupError(`Bad lines of the input: ${wrong}. The others are answered.`);
  });
}

/** Reads the file and knows by its keys whose it is. Throws StartupError. */
function importConfiguration(file: string): Imported {
  let given: unknown;
  try {
    const document = parseDocument(readFileSync(file, 'utf8'), { merge: true });
    for (const error of document.errors) throw error;
    readAsGoDoes(document);
    given = document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    throw new StartupError(`${file} cannot be read: ${(error as Error).message}`);
  }
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw new StartupError(`${file} is not a mapping of keys to values.`);
  const imported =
    'receivers' in given || 'route' in given
      ? importAlertmanager(given)
      : importFalcosidekick(given as Record<string, unknown>);
  for (const { pointer, message } of complaintsAbout(imported.config))
    imported.report(
      pointer
        .slice(1)
        .replaceAll(/\/(\d+)/g, '[$1]')
        .replaceAll('/', '.'),
      message,
    );
  return imported;
}

const MAX_LINE = 1024 * 1024;

/** What one line of input is answered with. */
function answer(tree: RoutingTree, line: string): object {
  if (line.length > MAX_LINE) return { error: `the line is longer than ${MAX_LINE} characters` };
  let given: unknown;
  try {
    given = JSON.parse(line);
  } catch (error) {
    return { error: `not JSON: ${(error as Error).message}` };
  }
  if (typeof given !== 'object' || given === null || !('labels' in given))
    return { error: 'the line must be an object with labels: {"labels":{"rule":"…"}}' };
  try {
    const labels = readLabels(given.labels);
    const routes = tree.match(labels).map((route) => ({
      id: route.id,
      channel: route.channel,
      group_key: groupKey(route, labels),
      group_labels: groupLabels(route, labels),
    }));
    return { routes };
  } catch (error) {
    if (!(error instanceof LabelsError)) throw error;
    return { error: error.message };
  }
}
