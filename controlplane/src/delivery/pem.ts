import { readFileSync } from 'node:fs';
import { ChannelSettingsError } from './outcome.ts';

/** The certificates in the file that a setting names. Throws ChannelSettingsError. */
export function readPem(setting: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new ChannelSettingsError(`${setting}: cannot be read: ${(error as Error).message}`, {
      cause: error,
    });
  }
}
