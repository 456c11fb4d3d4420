import type { SecretReference } from '@tocsin/openapi';
import type { Command } from 'commander';
import { VERSION } from '../package-files.ts';
import { agentFiles } from '../uplink/agent-files.ts';
import { enrolAgent } from '../uplink/enrolment.ts';
import { KeyFileError } from '../uplink/key-pair.ts';
import { Transport } from '../uplink/transport.ts';
import { type CommandContext, CommandError } from './context.ts';
import { checkServer, hostnameOf, readConfig, readSecret } from './settings.ts';

interface EnrollFlags {
  readonly config?: string;
  readonly server?: string;
  readonly token?: string;
  readonly tokenFile?: string;
  readonly dataDir?: string;
}

/** `tocsin enroll`: makes this host known to a control plane. */
export function registerEnrollCommand(program: Command, context: CommandContext): void {
  program
    .command('enroll')
    .description('enrol this host with a control plane')
    .option(
      '-c, --config <file>',
      'configuration file (TOCSIN_CONFIG; default ./tocsin.yaml if it exists)',
    )
    .option('--server <url>', 'URL of the control plane (TOCSIN_AGENT_SERVER)')
    .option('--token-file <file>', 'file that holds a join token')
    .option('--token <token>', 'a join token; others can see it in the process list')
    .option('--data-dir <folder>', 'where the key and the identity live (TOCSIN_DATA_DIR)')
    .action((flags: EnrollFlags) => enroll(flags, context));
}

async function enroll(flags: EnrollFlags, context: CommandContext): Promise<void> {
  const config = readConfig(flags.config, context.environment, {
    data_dir: flags.dataDir,
    'agent.server': flags.server,
  });
  if (config.agent.server === undefined)
    throw new CommandError('name the control plane with --server URL or agent.server', 2);
  const server = checkServer(config.agent.server, '--server');
  const reference =
    flags.tokenFile !== undefined ? { file: flags.tokenFile } : config.agent.join_token;
  const joinToken = flags.token ?? (reference && readSecret(reference, context.environment));
  if (!joinToken) {
    throw new CommandError(
      `there is no join token${missingFrom(reference)}: make one on the control plane (tocsin agents token) and give it with --token-file or --token`,
      2,
    );
  }
  const transport = new Transport(server);
  try {
    const hostname = hostnameOf(config);
    const options = { dataDir: config.data_dir, server, joinToken, hostname, version: VERSION };
    const enrolment = await enrolAgent(transport, options);
    if (!enrolment.ok)
      throw new CommandError(`not enrolled (${enrolment.code}): ${enrolment.detail}`);
    const { agent, kid } = enrolment.identity;
    const { identity } = agentFiles(config.data_dir);
    context.out.write(
      `enrolled ${hostname} with ${server} as agent ${agent}, key ${kid} (${identity})\n`,
    );
  } catch (error) {
    if (error instanceof KeyFileError) throw new CommandError(error.message);
    throw error;
  } finally {
    await transport.close();
  }
}

/** Where a token was to be. */
function missingFrom(reference: SecretReference | undefined): string {
  if (reference === undefined || 'value' in reference) return '';
  return 'file' in reference
    ? `, for ${reference.file} is not there or empty`
    : `, for the variable ${reference.env} is not set`;
}
