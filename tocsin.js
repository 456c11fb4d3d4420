#!/usr/bin/env node
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

// One command for both sides. Each package owns its own subcommands; this file only knows who owns which.
const owners = {
  '@tocsin/agent': ['agent', 'rules', 'trace', 'record', 'replay', 'fields', 'enroll', 'doctor'],
  '@tocsin/controlplane': [
    ...['run', 'server', 'channels', 'alerts', 'agents', 'routes', 'silences'],
    ...['groups', 'ledger', 'timeline', 'tokens'],
  ],
};

const [command = '--help'] = process.argv.slice(2);
const owner = Object.keys(owners).find((name) => owners[name].includes(command));
const fail = (code, text) => {
  process.stderr.write(`tocsin: ${text}\n`);
  process.exitCode = code;
};

if (['-h', '--help', 'help'].includes(command)) {
  process.stdout.write(`Usage: tocsin COMMAND [OPTIONS]

On one machine:
  run         the whole system: embedded Redis, control plane and local agent

On a host that is watched:
  agent       the node agent alone
  doctor      check what the agent needs of this host, and say how to mend what is wrong
  enroll      enrol this host with a control plane
  rules       check, list and evaluate rule files
  trace       print live events that match a condition
  record      keep kernel events in a file
  replay      judge the events of a file
  fields      list the fields that conditions and outputs can use

The control plane:
  server      the control plane alone
  channels    list, create, test and delete channels
  alerts      list alerts
  agents      list agents and make join tokens
  silences    list, add, preview and end silences
  routes      tell which way alerts go, try it out and convert what others configured
  groups      list groups of alerts and when they speak next
  ledger      tell what became of every alert
  timeline    tell what happened to one alert, and what will
  tokens      list, make and revoke tokens of people and programs

tocsin COMMAND --help tells the options of each; tocsin --version tells the version.\n`);
} else if (['-V', '--version', 'version'].includes(command)) {
  const text = readFileSync(join(import.meta.dirname, 'package.json'), 'utf8');
  process.stdout.write(`${JSON.parse(text).version}\n`);
} else if (!owner) {
  fail(2, `there is no command '${command}'; tocsin --help lists them`);
} else if (!existsSync(join(import.meta.dirname, owner.replace('@tocsin/', '')))) {
  fail(2, `the package of the agent does not have '${command}': run it where the control plane is`);
} else {
  const { main } = await import(`${owner}/main`).catch((error) => {
    if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error;
    fail(1, `${owner} is not built here (${error.message}): run 'make build' first`);
    process.exit();
  });
  await main(process.argv);
}
