/** @module Channel kind `email`: a mail in HTML and text through an SMTP server. */
import type { ChannelKind, ResolvedSettings } from '../../channel.ts';
import { ChannelSettingsError } from '../../outcome.ts';
import { readTls } from '../../tls.ts';
import { renderMail } from './render.ts';
import { type Envelope, Mailer, type Server } from './send.ts';
import { EmailSettings } from './settings.ts';

const SUBMISSION_PORT = 587;
const IMPLICIT_TLS_PORT = 465;

export const emailKind: ChannelKind = {
  kind: 'email',
  settings: EmailSettings,
  origin: 'any',
  fileSettings: ['ca_file'],
  destination: ['host', 'port', 'tls', 'ca_file'],
  create(settings) {
    const { server, envelope } = readSettings(settings);
    const mailer = new Mailer(server);
    const domain = envelope.from.slice(envelope.from.lastIndexOf('@') + 1);
    return {
      send: (notification, { signal }) =>
        mailer.send(renderMail(notification, domain), envelope, signal),
      close: () => Promise.resolve(mailer.close()),
    };
  },
};

function readSettings(settings: ResolvedSettings): { server: Server; envelope: Envelope } {
  const resolved = settings as Omit<EmailSettings, 'password'> & { password?: string };
  const { host, port = SUBMISSION_PORT, user, password, from, to } = resolved;
  if ((user === undefined) !== (password === undefined))
    throw new ChannelSettingsError('user and password are given together or not at all.');
  return {
    server: {
      host,
      port,
      tls: resolved.tls ?? (port === IMPLICIT_TLS_PORT ? 'implicit' : 'starttls'),
      ca: readTls(resolved).ca,
      auth: user !== undefined && password !== undefined ? { user, pass: password } : undefined,
    },
    envelope: { from, to },
  };
}
