/**
 * Templates of operators, in Liquid. They see a notification as webhooks tell it, and nothing else: no files, no other templates,
 * no prototypes. What events say is escaped for the medium wherever it is put, unless the template says `raw`.
 */
import { createRequire } from 'node:module';
import Type from 'typebox';
import { notificationJson } from './alert-json.ts';
import type { Notification, Outcome } from './channel.ts';
import { ChannelSettingsError } from './outcome.ts';
import { highestPriority, summaryOf } from './presentation.ts';
import { sampleNotification } from './sample.ts';

/** Loaded with the first template: most have none, and it takes a tenth of the start. */
const liquid = (): typeof import('liquidjs') => createRequire(import.meta.url)('liquidjs');

const MAX_TEMPLATE = 65_536;
const MAX_TEXT = 262_144;
const MAX_SUMMARY = 200;
/** One rendering may take so long, on a machine that is busy with other things; nothing else of this process happens meanwhile. */
const RENDER_MS = 500;
/** What a rendering may allocate, in the units of Liquid: characters and items. */
const MEMORY = 1_000_000;

/** A setting that holds a template. */
export const TemplateText = (description: string) =>
  Type.String({ minLength: 1, maxLength: MAX_TEMPLATE, description });

/** Renders a notification. Throws TemplateError. */
export type Template = (notification: Notification) => string;

/** A template that this notification cannot be rendered by, with the place in it. */
export class TemplateError extends Error {
  override readonly name = 'TemplateError';
}

export interface TemplateOptions {
  /** What a value becomes in the medium. */
  readonly neutral: (text: string) => string;
  /** Looks at what was rendered. Throws TemplateError. */
  readonly check?: (text: string) => void;
}

/** Reads a template, and tries it with a sample. Throws ChannelSettingsError. */
export function readTemplate(setting: string, source: string, options: TemplateOptions): Template {
  const template = compile(setting, source, options);
  try {
    template(sampleNotification('sample'));
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    throw new ChannelSettingsError(error.message);
  }
  return template;
}

function compile(setting: string, source: string, { neutral, check }: TemplateOptions): Template {
  const { Liquid, LiquidError } = liquid();
  const engine = new Liquid({
    templates: {},
    strictFilters: true,
    ownPropertyOnly: true,
    parseLimit: MAX_TEMPLATE,
    renderLimit: RENDER_MS,
    memoryLimit: MEMORY,
    timezoneOffset: 0,
    outputEscape: (value: unknown) => neutral(textOf(value)),
  });
  engine.registerFilter('json', { raw: true, handler: (value) => JSON.stringify(value) ?? 'null' });
  const problem = (error: unknown): TemplateError => {
    if (!(error instanceof LiquidError)) throw error;
    return new TemplateError(`${setting}: ${error.message}`);
  };
  const parse = () => {
    try {
      return engine.parse(source);
    } catch (error) {
      throw new ChannelSettingsError(problem(error).message);
    }
  };
  const parsed = parse();
  const render = (notification: Notification): string => {
    try {
      return engine.renderSync(parsed, contextOf(notification)) as string;
    } catch (error) {
      throw problem(error);
    }
  };
  return (notification) => {
    const text = render(notification);
    if (text.length > MAX_TEXT)
      throw new TemplateError(
        `${setting}: renders ${text.length} characters; at most ${MAX_TEXT} are sent.`,
      );
    check?.(text);
    return text;
  };
}

/** What templates see. */
const contextOf = (notification: Notification) => ({
  ...notificationJson(notification),
  status: notification.group && notification.group.counts.firing === 0 ? 'resolved' : 'firing',
  priority: highestPriority(notification),
  summary: summaryOf(notification, MAX_SUMMARY),
});

function textOf(value: unknown): string {
  if (value === undefined || value === null) return '';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** The text of a template, or the usual one if there is none or it fails: a template never keeps an alert from people. */
export function textBy(
  template: Template | undefined,
  notification: Notification,
  usual: () => string,
  onProblem: (problem: string) => void,
): string {
  if (!template) return usual();
  try {
    return template(notification);
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    onProblem(error.message);
    return usual();
  }
}

/** For previews, where a template that fails is an error. */
export const refuse = (problem: string): never => {
  throw new TemplateError(problem);
};

/** An outcome that also tells which templates failed. */
export const withProblems = (outcome: Outcome, problems: readonly string[]): Outcome =>
  problems.length === 0
    ? outcome
    : {
        ...outcome,
        detail: `${outcome.detail}; the usual text in place of ${problems.join(', ')}`,
      };

/** Escapes for the inside of a string in JSON. */
export const insideJson = (text: string): string => JSON.stringify(text).slice(1, -1);

/** Whether the text is JSON. Throws TemplateError. */
export function checkJson(text: string): void {
  try {
    JSON.parse(text);
  } catch (error) {
    throw new TemplateError(`template: does not render JSON: ${(error as Error).message}`);
  }
}
