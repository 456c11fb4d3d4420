/** What an import makes: a configuration, and an account of what it could not turn. */
import { stringify } from 'yaml';

export type Mapping = Readonly<Record<string, unknown>>;

export const asMapping = (value: unknown): Mapping =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Mapping) : {};
export const asList = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
export const asText = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined;

/** Settings that remember which of their keys were read. */
export function watched(given: Mapping): { settings: Mapping; unread(): string[] } {
  const read = new Set<string>();
  const settings = new Proxy(given, {
    get(target, key: string) {
      read.add(key);
      return target[key];
    },
  });
  return { settings, unread: () => Object.keys(given).filter((key) => !read.has(key)) };
}

/** A channel may be named so. */
const NAME = /^[A-Za-z0-9_]([A-Za-z0-9_./:@ -]{0,126}[A-Za-z0-9_])?$/;

/** A secret that is not taken over: the name of a variable that must hold it. */
export function secretOf(imported: Imported, at: string): Mapping {
  const name = `TOCSIN_SECRET_${at
    .toUpperCase()
    .replace(/[^A-Z0-9]+/g, '_')
    .replace(/^_|_$/g, '')}`;
  imported.report(at, `put the secret into the variable ${name}`);
  return { env: name };
}

/** A secret that stands in a file or is not taken over. */
export const secretOrFile = (imported: Imported, at: string, file: unknown): Mapping =>
  asText(file) === undefined ? secretOf(imported, at) : { file };

const PRIVATE_HOST =
  /^(localhost|[^.:]+|.*\.(local|internal|lan|svc)|127\..*|10\..*|192\.168\..*|172\.(1[6-9]|2\d|3[01])\..*|169\.254\..*|\[(::1|f[cd].*|fe80.*)\])$/i;

/**
 * An address that a channel is called at, as settings: without a name and a password in it, and with the leave to call a private one.
 * Undefined when it is none; both are reported.
 */
export function addressOf(
  imported: Imported,
  at: string,
  given: unknown,
): { url: string; more: Mapping } | undefined {
  const text = asText(given);
  if (text === undefined || !/^https?:/.test(text) || !URL.canParse(text)) {
    imported.report(at, 'it is no http address');
    return undefined;
  }
  const address = new URL(text);
  if (address.username !== '') {
    imported.report(at, 'a user name and a password in an address are left out; use a header');
    [address.username, address.password] = ['', ''];
  }
  const isPrivate = PRIVATE_HOST.test(address.hostname);
  if (isPrivate) imported.report(at, 'is a private address, which allow_private_addresses allows');
  return {
    url: address.pathname === '/' && !text.endsWith('/') ? address.href.slice(0, -1) : address.href,
    more: isPrivate ? { allow_private_addresses: true } : {},
  };
}

export class Imported {
  readonly #config: Record<string, unknown> = {};
  readonly #channels: Mapping[] = [];
  readonly #reports: string[] = [];

  /** What has to be done by hand. */
  get reports(): readonly string[] {
    return this.#reports;
  }

  /** How much was made of it so far: channels and reports. */
  get count(): number {
    return this.#channels.length + this.#reports.length;
  }

  /** Whether there is a report of this place. */
  tellsOf(at: string): boolean {
    return this.#reports.some((report) => report.startsWith(`${at}: `));
  }

  report(at: string, what: string): void {
    this.#reports.push(`${at}: ${what}`);
  }

  /** Something that people should know. */
  note(at: string, what: string): void {
    this.report(at, what);
  }

  set(key: string, value: unknown): void {
    this.#config[key] = value;
  }

  /** Adds a channel; returns the name that it got. */
  channel(
    wanted: string,
    kind: string,
    settings: Mapping,
    sendResolved: boolean | undefined,
    more: Mapping = {},
  ): string {
    let name = NAME.test(wanted)
      ? wanted
      : wanted
          .replace(/[^A-Za-z0-9_]+/g, '-')
          .replace(/^-+|-+$/g, '')
          .slice(0, 120) || 'receiver';
    if (name !== wanted) this.report(`receivers.${wanted}`, `is named ${name} here`);
    const taken = (one: string) => this.#channels.some((channel) => channel['name'] === one);
    for (let number = 2; taken(name); number++) name = `${wanted.slice(0, 120)}-${number}`;
    this.#channels.push({
      name,
      ...more,
      ...(sendResolved === false && { send_resolved: false }),
      [kind]: settings,
    });
    return name;
  }

  /** What was made. */
  get config(): Mapping {
    return { ...this.#config, receivers: this.#channels };
  }

  /** The configuration file, with the account as comments. */
  text(from: string): string {
    const comments = [
      `Made from ${from.replace(/[^\x20-\x7e]/g, '?')} by 'tocsin routes import'.`,
      ...(this.#reports.length > 0 ? ['To be done by hand:'] : []),
      ...this.#reports.map((report) => `- ${report.replace(/[\r\n]+/g, ' ')}`),
    ];
    return `${comments.map((line) => `# ${line}\n`).join('')}${stringify(this.config, { lineWidth: 0 })}`;
  }
}
