/** Secrets at rest: AES-256-GCM with a key that stays in the data directory, never in Redis. */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { writeWhole } from '../data-dir.ts';
import { StartupError } from '../errors.ts';

const KEY_BYTES = 32;
const IV_BYTES = 12;
const TAG_BYTES = 16;

export class Sealer {
  readonly #key: Buffer;

  constructor(key: Buffer) {
    this.#key = key;
  }

  /** Reads the key file, or makes it at the first start. */
  static fromFile(path: string): Sealer {
    let key: Buffer;
    try {
      key = readFileSync(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
        throw new StartupError(`The key file ${path} cannot be read: ${(error as Error).message}.`);
      }
      key = randomBytes(KEY_BYTES);
      writeWhole(path, key);
    }
    if (key.length !== KEY_BYTES) {
      throw new StartupError(
        `The key file ${path} must hold ${KEY_BYTES} bytes: put the right one back, or delete it and give all secrets again.`,
      );
    }
    return new Sealer(key);
  }

  /** `context` is where the secret belongs; it only opens there. */
  seal(secret: string, context: string): string {
    const iv = randomBytes(IV_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.#key, iv).setAAD(Buffer.from(context));
    const sealed = Buffer.concat([cipher.update(secret, 'utf8'), cipher.final()]);
    return Buffer.concat([iv, cipher.getAuthTag(), sealed]).toString('base64');
  }

  /** Throws when the secret was sealed with another key or for another place. */
  open(sealed: string, context: string): string {
    const bytes = Buffer.from(sealed, 'base64');
    const tag = bytes.subarray(IV_BYTES, IV_BYTES + TAG_BYTES);
    const decipher = createDecipheriv('aes-256-gcm', this.#key, bytes.subarray(0, IV_BYTES), {
      authTagLength: TAG_BYTES,
    });
    decipher.setAAD(Buffer.from(context)).setAuthTag(tag);
    const opened = decipher.update(bytes.subarray(IV_BYTES + TAG_BYTES));
    return Buffer.concat([opened, decipher.final()]).toString('utf8');
  }
}
