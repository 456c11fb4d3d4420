import { join } from 'node:path';

/** What the agent keeps below the data directory. Only its owner may read any of it. */
export interface AgentFiles {
  readonly folder: string;
  readonly key: string;
  readonly identity: string;
  readonly spool: string;
}

export function agentFiles(dataDir: string): AgentFiles {
  const folder = join(dataDir, 'agent');
  return {
    folder,
    key: join(folder, 'key.json'),
    identity: join(folder, 'identity.json'),
    spool: join(folder, 'spool'),
  };
}
