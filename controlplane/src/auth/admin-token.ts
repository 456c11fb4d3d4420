import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { writeWhole } from '../data-dir.ts';
import { StartupError } from '../errors.ts';
import type { TokenStore } from '../store/tokens.ts';

export const ADMIN_TOKEN_FILE = 'admin.token';
const MINIMUM_LENGTH = 32;

/** Makes the admin token at the first start, and lets the store know the one that the file holds. Returns the path of the file. */
export async function ensureAdminToken(dataDir: string, tokens: TokenStore): Promise<string> {
  const path = join(resolve(dataDir), ADMIN_TOKEN_FILE);
  const token = readToken(path) ?? writeToken(path);
  // One token for each data directory: writing another into the file retires the old one at the next start.
  await tokens.put(`admin ${hostname()} ${resolve(dataDir)}`, token, 'admin');
  return path;
}

function readToken(path: string): string | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8').trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new StartupError(`The admin token ${path} cannot be read: ${(error as Error).message}.`);
  }
  if (text.length >= MINIMUM_LENGTH) return text;
  throw new StartupError(
    `The admin token in ${path} is shorter than ${MINIMUM_LENGTH} characters: delete the file to get a new one.`,
  );
}

function writeToken(path: string): string {
  const token = `tocsin-admin-${randomBytes(32).toString('base64url')}`;
  writeWhole(path, `${token}\n`);
  return token;
}
