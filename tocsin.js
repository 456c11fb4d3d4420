#!/usr/bin/env node
// One command for both sides. Each package owns its own subcommands; this file only knows who owns which.
const owners = {
  '@tocsin/agent': ['agent', 'rules', 'trace', 'record', 'replay', 'fields', 'enroll', 'doctor'],
  '@tocsin/controlplane': [
    ...['run', 'server', 'channels', 'alerts', 'agents', 'routes', 'silences'],
    ...['groups', 'ledger', 'tokens'],
  ],
};

const [command = '--help'] = process.argv.slice(2);
const owner = Object.keys(owners).find((name) => owners[name].includes(command));

if (!owner) {
  const known = ['-h', '--help', 'help'].includes(command);
  const text = `${known ? '' : `tocsin: unknown command '${command}'\n\n`}Usage: tocsin COMMAND [OPTIONS]

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
  tokens      list, make and revoke tokens of people and programs

tocsin COMMAND --help tells the options of each.\n`;
  (known ? process.stdout : process.stderr).write(text);
  process.exitCode = known ? 0 : 2;
} else {
  const { main } = await import(`${owner}/main`).catch((error) => {
    if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error;
    process.stderr.write(
      `tocsin ${command}: ${owner} is not built here (${error.message}). Run 'make build' first.\n`,
    );
    process.exit(1);
  });
  await main(process.argv);
}
