/** The settings of a channel that say whom it trusts and who it is, and what they name. */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { SecretReference } from '@tocsin/openapi';
import Type from 'typebox';
import { ChannelSettingsError } from './outcome.ts';

const file = (description: string) =>
  Type.String({
    title: 'an absolute path',
    pattern: '^/[^\\0]*$',
    maxLength: 4096,
    description: `${description} Not over the API.`,
  });

/** Settings to spread into those of a kind; its `fileSettings` are TLS_FILES. */
export const TLS_SETTINGS = {
  ca_file: Type.Optional(file('PEM file with the authorities to trust instead of the usual ones.')),
  cert_file: Type.Optional(
    file('PEM file with the certificate to show; `key` is its private key.'),
  ),
  key: Type.Optional(SecretReference),
};
export const TLS_FILES = ['ca_file', 'cert_file'] as const;

export interface TlsIdentity {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: string;
}

/** Reads what these settings name, secrets resolved. Throws ChannelSettingsError. */
export function readTls(settings: {
  readonly ca_file?: string;
  readonly cert_file?: string;
  readonly key?: string;
}): TlsIdentity {
  const { ca_file, cert_file, key } = settings;
  if ((cert_file === undefined) !== (key === undefined))
    throw new ChannelSettingsError('cert_file and key are given together or not at all.');
  const ca = ca_file === undefined ? undefined : readPem('ca_file', ca_file);
  const cert = cert_file === undefined ? undefined : readPem('cert_file', cert_file);
  if (ca) check('ca_file', () => new X509Certificate(ca));
  if (cert) check('cert_file', () => new X509Certificate(cert));
  if (cert && key !== undefined) check('key', () => createSecureContext({ cert, key }));
  return { ...(ca && { ca }), ...(cert && key !== undefined && { cert, key }) };
}

/** What cannot be used is known before anything is connected. */
function check(setting: string, use: () => unknown): void {
  try {
    use();
  } catch (error) {
    const { reason, message } = error as Error & { reason?: string };
    throw new ChannelSettingsError(`${setting}: cannot be used: ${reason ?? message}`);
  }
}

function readPem(setting: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new ChannelSettingsError(`${setting}: cannot be read: ${(error as Error).message}`, {
      cause: error,
    });
  }
}
