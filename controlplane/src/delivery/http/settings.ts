/** The settings that channels which POST to a server of the operator's have in common. */
import { parseDuration, SecretReference } from '@tocsin/openapi';
import Type from 'typebox';
import { ChannelSettingsError } from '../outcome.ts';
import { readTls, TLS_SETTINGS } from '../tls.ts';
import type { EgressOptions } from './egress.ts';

const DEFAULT_TIMEOUT = '15s';

/** An address without a user name or password in it, as a regular expression. */
export const HTTP_URL = '^https?://[^/?#@\\\\\\s]+([/?#][^\\s]*)?$';

/** The setting of such an address. */
export const HttpUrl = (description: string) =>
  Type.String({
    title: 'an http:// or https:// URL without a user in it',
    pattern: HTTP_URL,
    maxLength: 2048,
    description,
  });

/** Settings to spread into those of a kind. */
export const HTTP_SETTINGS = {
  allow_private_addresses: Type.Optional(
    Type.Boolean({
      default: false,
      description: 'Also send to private, loopback and link-local addresses.',
    }),
  ),
  ...TLS_SETTINGS,
  proxy: Type.Optional(
    HttpUrl(
      'An HTTP proxy to go through (CONNECT), which then decides what may be reached. Not over the API.',
    ),
  ),
  proxy_authorization: Type.Optional(SecretReference),
  timeout: Type.Optional(
    Type.String({
      title: 'a time from 1s to 30s',
      pattern: '^([1-9]|[12][0-9]|30)s$',
      default: DEFAULT_TIMEOUT,
      description: 'For the whole request, `1s` to `30s`.',
    }),
  ),
};

/** Reads them, secrets resolved. Throws ChannelSettingsError. */
export function readHttpSettings(settings: {
  readonly allow_private_addresses?: boolean;
  readonly ca_file?: string;
  readonly cert_file?: string;
  readonly key?: string;
  readonly proxy?: string;
  readonly proxy_authorization?: string;
  readonly timeout?: string;
}): { readonly egress: EgressOptions; readonly timeoutMs: number } {
  const { proxy, proxy_authorization: authorization } = settings;
  if (authorization !== undefined && !/^[\x20-\x7e]+$/.test(authorization))
    throw new ChannelSettingsError('proxy_authorization: holds characters no header may hold.');
  return {
    egress: {
      allowPrivate: settings.allow_private_addresses ?? false,
      ...(proxy !== undefined && { proxy: { url: proxy, authorization } }),
      tls: readTls(settings),
    },
    timeoutMs: parseDuration(settings.timeout ?? DEFAULT_TIMEOUT) ?? 0,
  };
}
