/** Turns a configuration of Alertmanager into ours, and tells what it cannot turn. Pure. */
import { parseDuration } from '@tocsin/openapi';
import {
  addressOf,
  asList,
  asMapping,
  asText,
  Imported,
  type Mapping,
  secretOf,
  secretOrFile,
  watched,
} from './imported.ts';

const TIMES = ['mute_time_intervals', 'active_time_intervals'];
/** Keys of a route and of the file that mean the same here. */
const ROUTE_KEYS = [
  ...['receiver', 'group_by', 'group_wait', 'group_interval', 'repeat_interval', 'continue'],
  ...['matchers', 'match', 'match_re', ...TIMES],
];

const GLOBAL_KEYS = new RegExp(
  `^(${[
    ...['resolve_timeout', 'smtp_(from|smarthost|auth_username|auth_password(_file)?|require_tls)'],
    ...['slack_api_url(_file)?', 'slack_app_token(_file)?', 'pagerduty_url', 'telegram_api_url'],
    ...['opsgenie_api_(key|key_file|url)', 'http_config'],
  ].join('|')})$`,
);

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
    if (!GLOBAL_KEYS.test(key)) imported.report(`global.${key}`, 'has no counterpart');
  if (given['route'] !== undefined)
    imported.set('route', importRoute(asMapping(given['route']), 'route', receivers, imported));
  for (const key of ['time_intervals', 'mute_time_intervals'])
    if (Array.isArray(given[key])) imported.set(key, given[key]);
  const rules = asList(given['inhibit_rules']);
  if (rules.length > 0) {
    // As it is there; by itself, labels that both lack do not make them agree here.
    imported.set(
      'inhibit_rules',
      rules.map((rule) => ({ ...asMapping(rule), equal_missing: 'match' })),
    );
  }
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
  inherited?: unknown,
): Mapping {
  const receiver = given['receiver'] ?? inherited;
  const route: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(given)) {
    if (ROUTE_KEYS.includes(key)) route[key] = value;
    else if (key !== 'routes') imported.report(`${at}.${key}`, 'has no counterpart');
  }
  const children = asList(given['routes']).map((child, index) =>
    importRoute(asMapping(child), `${at}.routes[${index}]`, receivers, imported, receiver),
  );
  const [first, ...others] = receivers.get(asText(receiver) ?? '') ?? [];
  if (first !== undefined && given['receiver'] !== undefined) route['receiver'] = first;
  if (others.length > 0) {
    if (children.some((child) => child['continue'] === true))
      imported.report(
        `${at}.receiver`,
        `only ${first} is told here: routes below that go on cannot be followed by one for each of ${others.join(', ')}`,
      );
    else {
      const all = [first, ...others];
      // These are not inherited.
      const times = Object.fromEntries(
        TIMES.flatMap((key) => (given[key] === undefined ? [] : [[key, given[key]]])),
      );
      children.push(
        ...all.map((channel, index) => ({
          receiver: channel,
          ...times,
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
    const integration = Object.hasOwn(INTEGRATIONS, key) ? INTEGRATIONS[key] : undefined;
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
    if (![...integration.keys, 'send_resolved', 'http_config'].includes(key))
      imported.report(`${at}.${key}`, 'has no counterpart');
  const http = { http_config: given['http_config'] ?? global['http_config'] };
  const { send_resolved } = given;
  const sendResolved =
    typeof send_resolved === 'boolean' ? send_resolved : integration.sendResolved;
  const more = integration.kind === 'email' ? {} : httpOf(http, integration.kind, at, imported);
  return { kind: integration.kind, settings: { ...settings, ...more }, sendResolved };
}

interface Integration {
  readonly kind: string;
  /** What it does when nothing is said. */
  readonly sendResolved: boolean;
  readonly keys: readonly string[];
  /** Undefined when it cannot be turned; that is reported. */
  settings(given: Mapping, global: Mapping, at: string, imported: Imported): Mapping | undefined;
}

/** Of these a receiver has its own, or else those of `global` hold. */
const SLACK_WAYS = ['api_url', 'api_url_file', 'app_token', 'app_token_file'];

/** The kinds whose whole setting is a secret address. */
function incomingWebhook(kind: string): Integration {
  return {
    kind,
    sendResolved: true,
    keys: ['webhook_url', 'webhook_url_file', ...(kind === 'mattermost' ? ['channel'] : [])],
    settings: ({ webhook_url_file, channel }, _global, at, imported) => ({
      url: secretOrFile(imported, `${at}.webhook_url`, webhook_url_file),
      ...(kind === 'mattermost' && asText(channel) !== undefined && { channel }),
    }),
  };
}

/** The server of a service, when it is another than the usual one; `end` is what is not part of it here. */
function baseOf(imported: Imported, at: string, url: unknown, end: RegExp): Mapping {
  if (url === undefined) return {};
  const address = addressOf(imported, at, url);
  return address ? { base_url: address.url.replace(end, ''), ...address.more } : {};
}

/** Ours are whole seconds from 1 to 30. */
function timeoutOf(given: unknown): Mapping {
  const ms = parseDuration(asText(given) ?? '0');
  return ms ? { timeout: `${Math.min(30, Math.max(1, Math.ceil(ms / 1000)))}s` } : {};
}

/** What of `http_config` the kinds have here; Slack's has none of it. */
function httpOf(given: Mapping, kind: string, at: string, imported: Imported): Mapping {
  const { settings: http, unread } = watched(asMapping(given['http_config']));
  const report = (key: string, what = 'has no counterpart') =>
    imported.report(`${at}.http_config.${key}`, what);
  // It never follows redirects here.
  if (http['follow_redirects'] === true) report('follow_redirects');
  if (kind === 'slack') {
    for (const key of unread()) report(key);
    return {};
  }
  const tls = watched(asMapping(http['tls_config']));
  const { ca_file, cert_file, key_file } = tls.settings;
  const proxy = asText(http['proxy_url']);
  const hasLogin = proxy !== undefined && URL.canParse(proxy) && new URL(proxy).username !== '';
  if (hasLogin) report('proxy_url', 'becomes proxy, and its name and password proxy_authorization');
  for (const key of [...unread(), ...tls.unread().map((one) => `tls_config.${one}`)]) report(key);
  return {
    ...(proxy !== undefined && !hasLogin && { proxy }),
    ...(ca_file !== undefined && { ca_file }),
    ...(cert_file !== undefined && key_file !== undefined
      ? { cert_file, key: { file: key_file } }
      : {}),
  };
}

const INTEGRATIONS: Readonly<Record<string, Integration>> = {
  webhook_configs: {
    kind: 'webhook',
    sendResolved: true,
    keys: ['url', 'url_file', 'timeout', 'max_alerts'],
    settings({ url, url_file, timeout, max_alerts = 0 }, _global, at, imported) {
      if (max_alerts !== 0) imported.report(`${at}.max_alerts`, 'has no counterpart');
      if (url === undefined && url_file !== undefined) {
        imported.report(at, 'the address must stand in the configuration');
        return undefined;
      }
      const address = addressOf(imported, `${at}.url`, url);
      if (!address) return undefined;
      imported.report(`${at}.url`, 'the same body, signed as Standard Webhooks says, too');
      return {
        url: address.url,
        secret: secretOf(imported, `${at}.secret`),
        body: 'alertmanager',
        ...address.more,
        ...timeoutOf(timeout),
      };
    },
  },
  pagerduty_configs: {
    kind: 'pagerduty',
    sendResolved: true,
    keys: ['routing_key', 'routing_key_file', 'url'],
    settings({ routing_key, routing_key_file, url }, { pagerduty_url }, at, imported) {
      if (routing_key === undefined && routing_key_file === undefined) {
        imported.report(at, 'needs the routing_key of an integration with the Events API v2');
        return undefined;
      }
      const base = baseOf(imported, `${at}.url`, url ?? pagerduty_url, /\/v2\/enqueue\/?$/);
      return {
        routing_key: secretOrFile(imported, `${at}.routing_key`, routing_key_file),
        ...base,
      };
    },
  },
  opsgenie_configs: {
    kind: 'opsgenie',
    sendResolved: true,
    keys: ['api_key', 'api_key_file', 'api_url'],
    settings({ api_key_file, api_url }, global, at, imported) {
      const file = api_key_file ?? global['opsgenie_api_key_file'];
      return {
        api_key: secretOrFile(imported, `${at}.api_key`, file),
        ...baseOf(imported, `${at}.api_url`, api_url ?? global['opsgenie_api_url'], /\/$/),
      };
    },
  },
  telegram_configs: {
    kind: 'telegram',
    sendResolved: true,
    keys: ['bot_token', 'bot_token_file', 'chat_id', 'api_url'],
    settings({ bot_token_file, chat_id, api_url }, { telegram_api_url }, at, imported) {
      if (chat_id === undefined) {
        imported.report(at, 'needs the chat_id');
        return undefined;
      }
      return {
        token: secretOrFile(imported, `${at}.bot_token`, bot_token_file),
        chat_id: String(chat_id),
        ...baseOf(imported, `${at}.api_url`, api_url ?? telegram_api_url, /\/$/),
      };
    },
  },
  msteams_configs: incomingWebhook('teams'),
  msteamsv2_configs: incomingWebhook('teams'),
  discord_configs: incomingWebhook('discord'),
  mattermost_configs: incomingWebhook('mattermost'),
  slack_configs: {
    kind: 'slack',
    sendResolved: false,
    keys: ['api_url', 'api_url_file', 'channel', 'app_token', 'app_token_file', 'app_url'],
    settings(given, global, at, imported) {
      const hasOwn = SLACK_WAYS.some((key) => given[key] !== undefined);
      const setting = (key: string) => (hasOwn ? given[key] : global[`slack_${key}`]);
      const url = asText(setting('api_url')) ?? '';
      const hasToken = [setting('app_token'), setting('app_token_file')].some(Boolean);
      if (hasToken || /\/chat\.postMessage$/.test(url)) {
        const token = secretOrFile(imported, `${at}.app_token`, setting('app_token_file'));
        return { token, channel: asText(given['channel']) ?? '#alerts' };
      }
      if (given['channel'] !== undefined)
        imported.report(
          `${at}.channel`,
          'an incoming webhook tells in the channel that it was made for; with the token of an app (chat:write) it can be chosen',
        );
      return { url: secretOrFile(imported, `${at}.api_url`, setting('api_url_file')) };
    },
  },
  email_configs: {
    kind: 'email',
    sendResolved: false,
    keys: [
      ...['to', 'from', 'smarthost', 'auth_username', 'auth_password', 'auth_password_file'],
      ...['require_tls', 'tls_config'],
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
      const secured = watched(asMapping(given['tls_config']));
      const { ca_file } = secured.settings;
      for (const key of secured.unread())
        imported.report(`${at}.tls_config.${key}`, 'has no counterpart');
      const tls =
        port === '465' ? 'implicit' : setting('require_tls') === false ? 'none' : 'starttls';
      return {
        host,
        ...(port !== undefined && { port: Number(port) }),
        tls,
        ...(ca_file !== undefined && { ca_file }),
        ...(user !== undefined && { user, password }),
        from,
        to,
      };
    },
  },
};
