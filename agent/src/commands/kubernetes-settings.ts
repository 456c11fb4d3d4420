import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Config } from '@tocsin/openapi';
import type { KubernetesSettings } from '../state/kubernetes/api.ts';
import { type CommandContext, CommandError } from './context.ts';

/** What every pod has of its service account. */
const ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

/** Fills in what a pod is told of its cluster. Throws `CommandError` when there is no server. */
export function kubernetesSettings(
  configured: NonNullable<Config['agent']['kubernetes']>,
  environment: CommandContext['environment'],
): KubernetesSettings {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = '443' } = environment;
  const address = host?.includes(':') ? `[${host}]` : host;
  const server = configured.server ?? (address && `https://${address}:${port}`);
  if (server === undefined || server === '') {
    throw new CommandError(
      'agent.kubernetes.server: is not set, and KUBERNETES_SERVICE_HOST neither, which tells it inside of a pod',
    );
  }
  return {
    server,
    tokenFile: configured.token_file ?? ofAccount('token'),
    caFile: configured.ca_file ?? ofAccount('ca.crt'),
    node: configured.node ?? environment['NODE_NAME'] ?? hostname(),
  };
}

function ofAccount(name: string): string | undefined {
  const path = join(ACCOUNT, name);
  return existsSync(path) ? path : undefined;
}
