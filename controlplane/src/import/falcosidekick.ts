/** Turns a configuration of falcosidekick into ours, and tells what it cannot turn. Pure. */
import { parsePriority } from '@tocsin/openapi';
import {
  addressOf,
  asMapping,
  asText,
  Imported,
  type Mapping,
  secretOf,
  watched,
} from './imported.ts';

/** Sections that are no outputs. */
const OTHER = [
  ...['mutualtlsfilespath', 'mutualtlsclient', 'tlsserver'],
  ...['customfields', 'customtags', 'templatedfields', 'bracketreplacer', 'outputfieldformat'],
];

/** Of the server itself; where it listens is told. */
const SERVER = ['listenaddress', 'listenport', 'debug'];

export function importFalcosidekick(given: Mapping): Imported {
  const imported = new Imported();
  const { listenport } = lowered(given);
  imported.note(
    'listenport',
    `point Falco's http_output to http://HOST:2802/?token=… instead of port ${Number(listenport ?? 2801)}, with a token of intake.tokens`,
  );
  for (const [name, section] of Object.entries(lowered(given))) {
    const output = Object.hasOwn(OUTPUTS, name) ? OUTPUTS[name] : undefined;
    if (output) importOutput(output, name, lowered(asMapping(section)), imported);
    else if (SERVER.includes(name)) continue;
    else if (OTHER.includes(name)) {
      if (isSet(name, section)) imported.report(name, 'has no counterpart here');
    } else if (isUsed(section)) imported.report(name, 'there is no such kind of channel');
  }
  return imported;
}

function importOutput(output: Output, name: string, given: Mapping, imported: Imported): void {
  const { settings, unread } = watched(given);
  const before = imported.count;
  output(settings, name, imported);
  if (imported.count === before) return;
  for (const key of unread())
    if (isSet(key, given[key]) && !imported.tellsOf(`${name}.${key}`))
      imported.report(`${name}.${key}`, 'has no counterpart here');
}

/** Keys are known without regard to case. */
const lowered = (given: Mapping): Mapping =>
  Object.fromEntries(Object.entries(given).map(([key, value]) => [key.toLowerCase(), value]));

/** Whether it says something: certificates are always checked here, and what is empty or off is as it would be without. */
function isSet(key: string, value: unknown): boolean {
  if (key === 'checkcert') return value === false;
  if (typeof value === 'object' && value !== null)
    return Object.entries(value).some(([inner, one]) => isSet(inner, one));
  return value !== undefined && value !== null && value !== '' && value !== false && value !== 0;
}

/** Falcosidekick's own example lists every output with empty settings. */
const isUsed = (settings: unknown): boolean =>
  Object.entries(asMapping(settings)).some(
    ([key, value]) =>
      isUsed(value) ||
      (/url|host|token|key|arn|endpoint|address|topic|project|broker|function|name|forwarder|listener|label|id$/i.test(
        key,
      ) &&
        asText(value) !== undefined) ||
      (key.toLowerCase() === 'enabled' && value === true),
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

/** The outputs whose whole setting is a secret address. */
function incomingWebhook(kind: string): Output {
  return (settings, name, imported) => {
    if (asText(settings['webhookurl']) === undefined) return;
    add(imported, name, kind, { url: secretOf(imported, `${name}.webhookurl`) }, settings);
  };
}

const OUTPUTS: Readonly<Record<string, Output>> = {
  slack: incomingWebhook('slack'),
  webhook(settings, name, imported) {
    if (asText(settings['address']) === undefined) return;
    const address = addressOf(imported, `${name}.address`, settings['address']);
    if (!address) return;
    imported.report(`${name}.address`, 'the same body, signed as Standard Webhooks says, too');
    const headers = asMapping(settings['customheaders']);
    const given = Object.keys(headers).map((header) => [
      header,
      secretOf(imported, `${name}.${header}`),
    ]);
    add(
      imported,
      name,
      'webhook',
      {
        url: address.url,
        secret: secretOf(imported, `${name}.secret`),
        body: 'falco',
        ...address.more,
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
  teams: incomingWebhook('teams'),
  discord: incomingWebhook('discord'),
  mattermost: incomingWebhook('mattermost'),
  rocketchat: incomingWebhook('mattermost'),
  pagerduty(settings, name, imported) {
    if (asText(settings['routingkey']) === undefined) return;
    const base = settings['region'] === 'eu' && { base_url: 'https://events.eu.pagerduty.com' };
    const routing_key = secretOf(imported, `${name}.routingkey`);
    add(imported, name, 'pagerduty', { routing_key, ...base }, settings);
  },
  opsgenie(settings, name, imported) {
    if (asText(settings['apikey']) === undefined) return;
    const base = settings['region'] === 'eu' && { base_url: 'https://api.eu.opsgenie.com' };
    const api_key = secretOf(imported, `${name}.apikey`);
    add(imported, name, 'opsgenie', { api_key, ...base }, settings);
  },
  telegram(settings, name, imported) {
    if (asText(settings['token']) === undefined) return;
    const chat_id = String(settings['chatid'] ?? '');
    if (chat_id === '') return imported.report(`${name}.chatid`, 'is needed');
    const token = secretOf(imported, `${name}.token`);
    add(imported, name, 'telegram', { token, chat_id }, settings);
  },
  elasticsearch(settings, name, imported) {
    if (asText(settings['hostport']) === undefined) return;
    const address = addressOf(imported, `${name}.hostport`, settings['hostport']);
    if (!address) return;
    const [index = 'falco', user] = [asText(settings['index']), asText(settings['username'])];
    if (settings['suffix'] !== 'none')
      imported.report(`${name}.suffix`, `everything goes into the index or data stream ${index}`);
    const login = {
      ...(asText(settings['apikey']) !== undefined && {
        api_key: secretOf(imported, `${name}.apikey`),
      }),
      ...(user !== undefined && { user, password: secretOf(imported, `${name}.password`) }),
    };
    const pipeline = asText(settings['pipeline']);
    const rest = { format: 'falco', ...(pipeline !== undefined && { pipeline }), ...address.more };
    add(imported, name, 'elasticsearch', { url: address.url, index, ...login, ...rest }, settings);
  },
  splunk(settings, name, imported) {
    if (asText(settings['host']) === undefined) return;
    const address = addressOf(imported, `${name}.host`, settings['host']);
    if (!address) return;
    const token = secretOf(imported, `${name}.token`);
    const url = address.url.replace(/\/services\/collector.*$/, '');
    add(imported, name, 'splunk', { url, token, ...address.more }, settings);
  },
  kafka(settings, name, imported) {
    const brokers = (asText(settings['hostport']) ?? '').split(',').map((one) => one.trim());
    const topic = asText(settings['topic']);
    if (brokers[0] === '' && topic === undefined) return;
    if (brokers[0] === '' || topic === undefined)
      return imported.report(name, 'hostport and topic are needed');
    add(
      imported,
      name,
      'kafka',
      {
        ...{ brokers, topic, tls: settings['tls'] === true },
        ...kafkaLogin(settings, name, imported),
        ...kafkaWriting(settings, name, imported),
      },
      settings,
    );
  },
  alertmanager(settings, name, imported) {
    if (settings['hostport'] !== undefined)
      imported.report(
        name,
        "Alertmanager is not needed: 'tocsin routes import alertmanager.yml' converts what it does",
      );
  },
};

function kafkaLogin(settings: Mapping, name: string, imported: Imported): Mapping {
  const [sasl, user] = [asText(settings['sasl']), asText(settings['username'])];
  if (!sasl) return {};
  const mechanism = sasl.toUpperCase().replace(/^(SCRAM[_-]SHA[_-]?)(256|512)$/, 'SCRAM-SHA-$2');
  if (user === undefined || !/^(PLAIN|SCRAM-SHA-(256|512))$/.test(mechanism)) {
    imported.report(
      `${name}.sasl`,
      `'${sasl}' needs a username, and to be PLAIN or SCRAM-SHA-256 or -512`,
    );
    return {};
  }
  return { sasl: { mechanism, user, password: secretOf(imported, `${name}.password`) } };
}

function kafkaWriting(settings: Mapping, name: string, imported: Imported): Mapping {
  const [acks, compression] = ['requiredacks', 'compression'].map((key) =>
    asText(settings[key])?.toLowerCase(),
  );
  const known = compression === undefined || /^(none|gzip|snappy|lz4)$/.test(compression);
  if (!known) imported.report(`${name}.compression`, `'${compression}' is not spoken here: none`);
  return {
    ...(acks === 'one' && { acks: 'leader' }),
    ...(known && compression !== undefined && { compression }),
  };
}

function add(
  imported: Imported,
  name: string,
  kind: string,
  settings: Mapping,
  given: Mapping,
): void {
  imported.channel(name, kind, settings, undefined, minimum(given, name, imported));
}
