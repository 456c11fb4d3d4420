/** Kinds that are no more than settings and the requests these make of a notification. */
import type { TObject } from 'typebox';
import type { ChannelKind, Notification, Outcome, ResolvedSettings } from '../channel.ts';
import { ChannelSettingsError, ok, partly, permanent } from '../outcome.ts';
import {
  readTemplate,
  refuse,
  TemplateError,
  type TemplateOptions,
  textBy,
  withProblems,
} from '../template.ts';
import { TLS_FILES } from '../tls.ts';
import { createEgress } from './egress.ts';
import { post, type ReadAnswer } from './post.ts';
import { HTTP_URL, readHttpSettings } from './settings.ts';

/** One request. `body` is sent as JSON unless a header says otherwise. */
export interface HttpMessage {
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string;
}

/** What the template of the channel makes of a notification; undefined without one, or when it fails or says nothing. */
export type Words = (notification: Notification) => string | undefined;

export interface HttpKind<Settings> {
  readonly kind: string;
  /** With HTTP_SETTINGS among them. */
  readonly settings: TObject;
  /** As of ChannelKind; empty when the address is itself the secret. */
  readonly destination: readonly string[];
  /** Reads the settings once, secrets resolved. Throws ChannelSettingsError. */
  prepare(settings: Settings): (notification: Notification, words: Words) => readonly HttpMessage[];
  /** Of a kind whose setting `template` makes the text that people read: how that is read. */
  readonly template?: TemplateOptions;
  /** As of ChannelKind. */
  readonly mode?: ChannelKind['mode'];
  /** As of ChannelKind. */
  readonly records?: true;
  /** As of ChannelKind. */
  readonly parallel?: number;
  /** As of ChannelKind. */
  check?(settings: Readonly<Record<string, unknown>>): void;
  /** What a 2xx answer really means. */
  readonly read?: ReadAnswer;
  /** Makes a failure more precise than its status. */
  readonly explain?: (outcome: Outcome) => Outcome;
}

export function httpKind<Settings>(definition: HttpKind<Settings>): ChannelKind {
  const { kind, settings: schema, destination, read, explain = (outcome) => outcome } = definition;
  return {
    kind,
    settings: schema,
    origin: 'any',
    ...(definition.mode && { mode: definition.mode }),
    ...(definition.records && { records: definition.records }),
    ...(definition.parallel !== undefined && { parallel: definition.parallel }),
    check(given) {
      checkAddresses(given);
      definition.check?.(given);
      readWords(definition.template, given);
    },
    fileSettings: [...TLS_FILES, 'proxy'],
    destination,
    create(settings: ResolvedSettings) {
      const { egress: options, timeoutMs } = readHttpSettings(settings);
      const render = definition.prepare(settings as Settings);
      const template = readWords(definition.template, settings);
      const wordsBy =
        (onProblem: (problem: string) => void): Words =>
        (notification) =>
          textBy(template, notification, () => '', onProblem).trim() || undefined;
      const egress = createEgress(options);
      const sendFrom = async (
        start: number,
        messages: readonly HttpMessage[],
        signal: AbortSignal,
      ): Promise<{ outcome: Outcome; taken: number }> => {
        let outcome = ok('nothing to send');
        for (const [taken, { url, headers, body }] of messages.entries()) {
          if (taken < start) continue;
          const request = { url, body, timeoutMs, headers: { ...USUAL_HEADERS, ...headers } };
          outcome = explain(await post(egress, request, signal, read));
          if (outcome.result !== 'ok') return { outcome, taken };
        }
        return { outcome, taken: messages.length };
      };
      return {
        async send(notification, { signal }) {
          const problems: string[] = [];
          let messages: readonly HttpMessage[];
          try {
            messages = render(
              notification,
              wordsBy((problem) => problems.push(problem)),
            );
          } catch (error) {
            if (error instanceof TemplateError) return permanent('rendering', error.message);
            throw error;
          }
          let { outcome, taken } = await sendFrom(0, messages, signal);
          if (template && isRefused(outcome)) {
            // What the template made was refused, so it was not shown: the usual text still tells what happened.
            problems.push(`template: ${outcome.detail}`);
            const usual = render(notification, () => undefined);
            ({ outcome, taken } = await sendFrom(taken, usual, signal));
          }
          const whole = outcome.result === 'ok' || taken === 0 ? outcome : partly(outcome);
          return withProblems(whole, problems);
        },
        preview: (notification) =>
          render(notification, wordsBy(refuse)).map(({ headers, body }) => ({
            content_type: { ...USUAL_HEADERS, ...headers }['content-type'],
            body,
          })),
        close: () => egress.destroy(),
      };
    },
  };
}

/** The template of settings; undefined without one. Throws ChannelSettingsError. */
function readWords(
  options: TemplateOptions | undefined,
  { template }: Readonly<Record<string, unknown>>,
) {
  return options && typeof template === 'string'
    ? readTemplate('template', template, options)
    : undefined;
}

/** Whether it was what the message says that a service did not take. */
const isRefused = (outcome: Outcome): boolean =>
  outcome.result === 'permanent' &&
  (outcome.reason === 'client_error' || outcome.reason === 'rendering');

/** Sent unless a message says otherwise. */
export const USUAL_HEADERS = { 'user-agent': 'Tocsin', 'content-type': 'application/json' };

/** Addresses that look like one and cannot be read: `http://256.1.1.1/`. Throws ChannelSettingsError. */
export function checkAddresses(settings: Readonly<Record<string, unknown>>): void {
  for (const setting of ['url', 'base_url', 'proxy']) {
    const value = settings[setting];
    if (typeof value === 'string' && !URL.canParse(value))
      throw new ChannelSettingsError(`${setting}: is not an http or https address.`);
  }
}

/** A secret that goes into a header. Throws ChannelSettingsError, without the secret in it. */
export function headerSecret(setting: string, value: string): string {
  if (/^[\x21-\x7e]+$/.test(value)) return value;
  throw new ChannelSettingsError(`${setting}: holds characters no header may hold.`);
}

/** A secret that is the address itself. Throws ChannelSettingsError, without the secret in it. */
export function secretUrl(setting: string, value: string): string {
  if (new RegExp(HTTP_URL).test(value) && URL.canParse(value)) return value;
  throw new ChannelSettingsError(`${setting}: is not an http or https address.`);
}

/** `path`, perhaps with a query, below an address that may have a path itself. */
export function below(url: string, path: string): URL {
  const target = new URL(url);
  const [name, query] = path.split('?');
  target.pathname = `${target.pathname.replace(/\/+$/, '')}/${name}`;
  if (query !== undefined) target.search = query;
  return target;
}
