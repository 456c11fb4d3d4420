/** Turns a configuration of Alertmanager into ours, and tells what it cannot turn. Pure. */
import { asList, asMapping, asText, Imported, type Mapping, secretOf } from './imported.ts';

/** Keys of a route and of the file that mean the same here. */
const ROUTE_KEYS = [
  ...['receiver', 'group_by', 'group_wait', 'group_interval', 'repeat_interval', 'continue'],
  ...['matchers', 'match', 'match_re', 'mute_time_intervals', 'active_time_intervals'],
];

/** The channels that each receiver became. */
type Receivers = ReadonlyMap<string, readonly string[]>;

export function importAlertmanager(given: Mapping): Imported {
  const imported = new Imported();
  const global = asMapping(given['global']);
  const receivers = new Map<string, readonly string[]>();
  for (const [index, receiver] of asList(given['receivers']).entries()) {
    const one = asMapping(receiver);
    const name = asText(one['name']) ?? `receiver-${index}`;
    receivers.set(name, importReceiver(one, name, global, imported));
  }
  const { resolve_timeout } = global;
  if (resolve_timeout !== undefined) imported.set('global', { resolve_timeout });
  for (const key of Object.keys(global))
    if (!/^(resolve_timeout|smtp_|slack_api_url|http_config$)/.test(key))
      imported.report(`global.${key}`, 'has no counterpart');
  if (given['route'] !== undefined)
    imported.set('route', importRoute(asMapping(given['route']), 'route', receivers, imported));
  for (const key of ['inhibit_rules', 'time_intervals', 'mute_time_intervals'])
    if (given[key] !== undefined) imported.set(key, given[key]);
  if (asList(given['inhibit_rules']).length > 0)
    imported.note(
      'inhibit_rules',
      'labels in `equal` that both alerts lack do not make them agree here; `equal_missing: match` brings back what Alertmanager does',
    );
  if (asList(given['templates']).length > 0)
    imported.report('templates', 'templates of Go are not used; messages have their own form here');
  for (const key of Object.keys(given))
    if (!KNOWN.includes(key)) imported.report(key, 'has no counterpart');
  return imported;
}

const KNOWN = [
  ...['global', 'route', 'receivers', 'inhibit_rules', 'templates'],
  ...['time_intervals', 'mute_time_intervals'],
];

/** One route; a receiver with several integrations becomes routes below, one for each channel. */
function importRoute(
  given: Mapping,
  at: string,
  receivers: Receivers,
  imported: Imported,
): Mapping {
  const route: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(given)) {
    if (ROUTE_KEYS.includes(key)) route[key] = value;
    else if (key !== 'routes') imported.report(`${at}.${key}`, 'has no counterpart');
  }
  const children = asList(given['routes']).map((child, index) =>
    importRoute(asMapping(child), `${at}.routes[${index}]`, receivers, imported),
  );
  const [first, ...others] = receivers.get(asText(given['receiver']) ?? '') ?? [];
  if (first !== undefined) route['receiver'] = first;
  if (others.length > 0) {
    if (children.some((child) => child['continue'] === true))
      imported.report(
        `${at}.receiver`,
        `only ${first} is told here: routes below that go on cannot be followed by one for each of ${others.join(', ')}`,
      );
    else {
      const all = [first, ...others];
      children.push(
        ...all.map((receiver, index) => ({
          receiver,
          ...(index < all.length - 1 && { continue: true }),
        })),
      );
    }
  }
  return children.length > 0 ? { ...route, routes: children } : route;
}

interface Integrated {
  readonly kind: string;
  readonly settings: Mapping;
  readonly sendResolved: boolean;
}

/** The channels of a receiver, by name; one without integrations tells nobody. */
function importReceiver(
  given: Mapping,
  name: string,
  global: Mapping,
  imported: Imported,
): readonly string[] {
  const found = Object.entries(given).flatMap(([key, list]): Integrated[] => {
    if (key === 'name') return [];
    const integration = INTEGRATIONS[key];
    if (integration)
      return asList(list).flatMap((one, index) => {
        const at = `receivers.${name}.${key}[${index}]`;
        return importIntegration(integration, asMapping(one), global, at, imported) ?? [];
      });
    imported.report(`receivers.${name}.${key}`, 'there is no such kind of channel');
    return [];
  });
  if (found.length === 0) found.push({ kind: 'none', settings: {}, sendResolved: true });
  return found.map(({ kind, settings, sendResolved }, index) => {
    const channel = index === 0 ? name : `${name}-${index + 1}`;
    return imported.channel(channel, kind, settings, sendResolved);
  });
}

function importIntegration(
  integration: Integration,
  given: Mapping,
  global: Mapping,
  at: string,
  imported: Imported,
): Integrated | undefined {
  const settings = integration.settings(given, global, at, imported);
  if (!settings) return undefined;
  for (const key of Object.keys(given))
    if (![...integration.keys, 'send_resolved'].includes(key))
      imported.report(`${at}.${key}`, 'has no counterpart');
  const { send_resolved } = given;
  const sendResolved =
    typeof send_resolved === 'boolean' ? send_resolved : integration.sendResolved;
  return { kind: integration.kind, settings, sendResolved };
}

interface Integration {
  readonly kind: string;
  /** What it does when nothing is said. */
  readonly sendResolved: boolean;
  readonly keys: readonly string[];
  /** Undefined when it cannot be turned; that is reported. */
  settings(given: Mapping, global: Mapping, at: string, imported: Imported): Mapping | undefined;
}

const INTEGRATIONS: Readonly<Record<string, Integration>> = {
  webhook_configs: {
    kind: 'webhook',
    sendResolved: true,
    keys: ['url', 'url_file', 'timeout', 'max_alerts'],
    settings({ url, url_file, timeout }, _global, at, imported) {
      if (asText(url) === undefined) {
        imported.report(
          at,
          url_file === undefined ? 'it has no url' : 'the address must stand in the configuration',
        );
        return undefined;
      }
      imported.report(
        `${at}.url`,
        'the body is that of Tocsin, signed as Standard Webhooks says; give it a secret',
      );
      return {
        url,
        secret: secretOf(imported, `${at}.secret`),
        ...(timeout !== undefined && { timeout }),
      };
    },
  },
  slack_configs: {
    kind: 'slack',
    sendResolved: false,
    keys: ['api_url', 'api_url_file', 'channel', 'app_token', 'app_token_file', 'app_url'],
    settings({ channel, app_token_file }, _global, at, imported) {
      if (app_token_file === undefined)
        imported.report(
          `${at}.api_url`,
          'Slack is called with the token of an app (chat:write), not with an incoming webhook',
        );
      const token =
        app_token_file === undefined ? secretOf(imported, `${at}.token`) : { file: app_token_file };
      return { token, channel: asText(channel) ?? '#alerts' };
    },
  },
  email_configs: {
    kind: 'email',
    sendResolved: false,
    keys: [
      ...['to', 'from', 'smarthost', 'auth_username', 'auth_password', 'auth_password_file'],
      'require_tls',
    ],
    settings(given, global, at, imported) {
      const setting = (key: string) => given[key] ?? global[`smtp_${key}`];
      const [, host, port] =
        /^\[?([^\]]*?)\]?(?::(\d+))?$/.exec(asText(setting('smarthost')) ?? '') ?? [];
      const to = (asText(given['to']) ?? '')
        .split(',')
        .map((one) => one.trim())
        .filter(Boolean);
      const from = asText(setting('from'));
      if (!host || from === undefined || to.length === 0) {
        imported.report(at, 'a mail needs smarthost, from and to');
        return undefined;
      }
      const user = asText(setting('auth_username'));
      const file = setting('auth_password_file');
      const password = file === undefined ? secretOf(imported, `${at}.password`) : { file };
      const tls =
        port === '465' ? 'implicit' : setting('require_tls') === false ? 'none' : 'starttls';
      return {
        host,
        ...(port !== undefined && { port: Number(port) }),
        tls,
        ...(user !== undefined && { user, password }),
        from,
        to,
      };
    },
  },
};
