/** @module Channel kind `email`: a mail in HTML and text through an SMTP server. */
import type { ChannelKind, ResolvedSettings } from '../../channel.ts';
import { ChannelSettingsError } from '../../outcome.ts';
import { readTemplate, refuse, withProblems } from '../../template.ts';
import { escapeHtml, printable } from '../../text.ts';
import { readTls } from '../../tls.ts';
import { type MailTemplates, renderMail } from './render.ts';
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
  check: readTemplates,
  create(settings) {
    const { server, envelope, templates } = readSettings(settings);
    const mailer = new Mailer(server);
    const domain = envelope.from.slice(envelope.from.lastIndexOf('@') + 1);
    return {
      async send(notification, { signal }) {
        const problems: string[] = [];
        const mail = renderMail(notification, domain, templates, (one) => problems.push(one));
        return withProblems(await mailer.send(mail, envelope, signal), problems);
      },
      preview(notification) {
        const { subject, text, html } = renderMail(notification, domain, templates, refuse);
        return [
          { part: 'subject', content_type: 'text/plain', body: subject },
          { part: 'text', content_type: 'text/plain', body: text },
          { part: 'html', content_type: 'text/html', body: html },
        ];
      },
      close: () => Promise.resolve(mailer.close()),
    };
  },
};

function readTemplates({ subject, text, html }: Pick<EmailSettings, 'subject' | 'text' | 'html'>) {
  const plain = (value: string) => printable(value);
  const read = (setting: string, source: string | undefined, neutral: (value: string) => string) =>
    source === undefined ? undefined : readTemplate(setting, source, { neutral });
  return {
    subject: read('subject', subject, plain),
    text: read('text', text, plain),
    html: read('html', html, (value) => escapeHtml(printable(value))),
  };
}

function readSettings(settings: ResolvedSettings): {
  server: Server;
  envelope: Envelope;
  templates: MailTemplates;
} {
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
    templates: readTemplates(resolved),
  };
}
