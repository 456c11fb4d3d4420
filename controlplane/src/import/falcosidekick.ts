/** Turns a configuration of falcosidekick into ours, and tells what it cannot turn. Pure. */
import { parsePriority } from '@tocsin/openapi';
import { asMapping, asText, Imported, type Mapping, secretOf } from './imported.ts';

/** Sections that are no outputs. */
const OTHER = [
  ...['listenaddress', 'listenport', 'debug', 'mutualtlsfilespath', 'mutualtlsclient', 'tlsserver'],
  ...['customfields', 'customtags', 'templatedfields', 'bracketreplacer', 'outputfieldformat'],
];

export function importFalcosidekick(given: Mapping): Imported {
  const imported = new Imported();
  const { listenport } = given;
  imported.note(
    'listenport',
    `point Falco's http_output to http://HOST:2802/?token=… instead of port ${Number(listenport ?? 2801)}, with a token of intake.tokens`,
  );
  for (const [name, section] of Object.entries(given)) {
    const settings = asMapping(section);
    const output = OUTPUTS[name];
    if (output) output(settings, name, imported);
    else if (OTHER.includes(name)) {
      if (!['listenaddress', 'listenport', 'debug'].includes(name))
        imported.report(name, 'has no counterpart here');
    } else if (isUsed(settings)) imported.report(name, 'there is no such kind of channel');
  }
  return imported;
}

/** Falcosidekick's own example lists every output with empty settings. */
const isUsed = (settings: Mapping): boolean =>
  Object.entries(settings).some(
    ([key, value]) =>
      /url|host|token|key|arn|endpoint|address|topic|project/.test(key) &&
      asText(value) !== undefined,
  );

/** Falcosidekick knows names without regard to case, and nothing as `debug`. */
function minimum(settings: Mapping, at: string, imported: Imported): Mapping {
  const text = asText(settings['minimumpriority']);
  if (text === undefined) return {};
  const priority = parsePriority(text);
  if (priority) return { minimum_priority: priority.toLowerCase() };
  imported.report(`${at}.minimumpriority`, `'${text}' is no priority`);
  return {};
}

type Output = (settings: Mapping, name: string, imported: Imported) => void;

const OUTPUTS: Readonly<Record<string, Output>> = {
  slack(settings, name, imported) {
    if (asText(settings['webhookurl']) === undefined) return;
    imported.report(
      `${name}.webhookurl`,
      'Slack is called with the token of an app (chat:write), not with an incoming webhook',
    );
    const channel = asText(settings['channel']) ?? '#alerts';
    add(imported, name, 'slack', { token: secretOf(imported, `${name}.token`), channel }, settings);
  },
  webhook(settings, name, imported) {
    const url = asText(settings['address']);
    if (url === undefined) return;
    imported.report(`${name}.address`, 'the body is signed as Standard Webhooks says');
    const headers = asMapping(settings['customHeaders'] ?? settings['customheaders']);
    const given = Object.keys(headers).map((header) => [
      header,
      secretOf(imported, `${name}.${header}`),
    ]);
    add(
      imported,
      name,
      'webhook',
      {
        url,
        secret: secretOf(imported, `${name}.secret`),
        ...(given.length > 0 && { headers: Object.fromEntries(given) }),
      },
      settings,
    );
  },
  smtp(settings, name, imported) {
    const address = asText(settings['hostport']);
    if (address === undefined) return;
    const [, host, port] = /^\[?([^\]]*?)\]?(?::(\d+))?$/.exec(address) ?? [];
    const to = (asText(settings['to']) ?? '')
      .split(',')
      .map((one) => one.trim())
      .filter(Boolean);
    const [from, user] = [asText(settings['from']), asText(settings['user'])];
    if (!host || from === undefined || to.length === 0) {
      imported.report(name, 'a mail needs hostport, from and to');
      return;
    }
    const tls = port === '465' ? 'implicit' : settings['tls'] === false ? 'none' : 'starttls';
    const password =
      user === undefined ? {} : { user, password: secretOf(imported, `${name}.password`) };
    add(
      imported,
      name,
      'email',
      { host, ...(port !== undefined && { port: Number(port) }), tls, ...password, from, to },
      settings,
    );
  },
  syslog(settings, name, imported) {
    const host = asText(settings['host']);
    if (host === undefined) return;
    const port = Number(settings['port'] ?? 514);
    const transport = asText(settings['protocol'])?.toLowerCase() === 'udp' ? 'udp' : 'tcp';
    const format = asText(settings['format'])?.toLowerCase() === 'cef' ? 'cef' : 'falco';
    add(imported, name, 'syslog', { host, port, transport, format }, settings);
  },
  alertmanager(settings, name, imported) {
    if (settings['hostport'] !== undefined)
      imported.report(
        name,
        "Alertmanager is not needed: 'tocsin routes import alertmanager.yml' converts what it does",
      );
  },
};

function add(
  imported: Imported,
  name: string,
  kind: string,
  settings: Mapping,
  given: Mapping,
): void {
  imported.channel(name, kind, settings, undefined, minimum(given, name, imported));
}
