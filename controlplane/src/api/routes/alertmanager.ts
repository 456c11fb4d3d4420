/** `/api/v2`: Alertmanager's API, as far as Prometheus, amtool and dashboards use it. Errors are texts, as there. */

import { ALERT_LIMITS } from '@tocsin/openapi';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { ProblemError } from '../../errors.ts';
import { setsOf } from '../../groups/silences.ts';
import { readExternalAlert } from '../../ingest/alertmanager.ts';
import type { ReceivedAlert } from '../../ingest/batch.ts';
import type { Ingest } from '../../ingest/ingest.ts';
import type { Condition, Operator } from '../../routing/conditions.ts';
import { build, MatcherError, parseMatcher } from '../../routing/matcher.ts';
import { compileAnchored, RegexError } from '../../routing/regex.ts';
import { stateOf } from '../../silences/silences.ts';
import type { StoredSilence } from '../../store/silences.ts';
import { AlertBoard, type AlertFilter, type BoardSources } from '../alert-board.ts';
import { sendProblem } from '../problems.ts';

export interface AlertmanagerRoutesOptions extends BoardSources {
  readonly ingest: Ingest;
  /** Told of alerts that were taken and not admitted: ended, while no route makes groups that could say so. */
  readonly onUntold: (alerts: number) => void;
  /** The routing as the YAML of a configuration file. */
  readonly routingText: () => string;
  /** Reads the configuration file again, and answers with why it was not taken. */
  readonly reread: () => Promise<string | undefined>;
}

const STARTED = new Date().toISOString();
const MAX_ALERTS = ALERT_LIMITS.batchAlerts;

/** Answers of errors are JSON texts here. */
function plainErrors(app: FastifyInstance): void {
  app.setErrorHandler((error, request, reply) => {
    if (!(error instanceof ProblemError) || reply.sent) return sendProblem(error, request, reply);
    if (error.statusCode === 401) void reply.header('www-authenticate', 'Bearer, Basic');
    const places = (error.errors ?? []).flatMap(({ message }) =>
      error.message.includes(message) ? [] : [message],
    );
    return reply
      .status(error.statusCode)
      .type('application/json')
      .send(JSON.stringify([error.message, ...places].join('; ')));
  });
}

const bad = (message: string) => new ProblemError('bad_request', message);

/** `POST /api/v2/alerts`: what Prometheus sends. */
export async function alertmanagerIntake(
  app: FastifyInstance,
  { ingest, routing, onUntold }: AlertmanagerRoutesOptions,
): Promise<void> {
  plainErrors(app);
  app.post(
    '/api/v2/alerts',
    { bodyLimit: ALERT_LIMITS.batchBytes, schema: { hide: true } as object },
    async (request, reply) => {
      const { body } = request;
      if (!Array.isArray(body)) throw bad('the body must be a list of alerts');
      if (body.length > MAX_ALERTS) throw bad(`at most ${MAX_ALERTS} alerts are taken at once`);
      const now = Date.now();
      const read = body.map((one) => readExternalAlert(one, now));
      const valid = read.filter((one): one is ReceivedAlert => typeof one !== 'string');
      // Without groups there is nobody who was told that it fires.
      const grouped = routing().tree !== undefined;
      const told = valid.filter(({ external }) => grouped || (external?.endsAt ?? now + 1) > now);
      await ingest.takeFrom(request.holder?.name ?? 'loopback', told);
      onUntold(valid.length - told.length);
      const wrong = read.filter((one) => typeof one === 'string');
      if (wrong.length > 0) throw bad(wrong.slice(0, 20).join('; '));
      return reply.status(200).send();
    },
  );
}

/** The rest of `/api/v2`: reading, and silences; and `POST /-/reload`. */
export async function alertmanagerRoutes(
  app: FastifyInstance,
  options: AlertmanagerRoutesOptions,
): Promise<void> {
  const { silences, receivers } = options;
  plainErrors(app);
  const hidden = { schema: { hide: true } as object };

  app.get('/api/v2/status', hidden, async () => ({
    cluster: { status: 'disabled', peers: [] },
    config: { original: options.routingText() },
    uptime: STARTED,
    versionInfo: {
      ...{ branch: '', buildDate: '', buildUser: '', goVersion: '', revision: '' },
      version: 'tocsin',
    },
  }));

  const reload = async (_request: unknown, reply: FastifyReply) => {
    const problem = await options.reread();
    if (problem === undefined) return reply.status(200).send();
    return reply.status(500).type('text/plain; charset=utf-8').send(`${problem}\n`);
  };
  app.post('/-/reload', hidden, reload);

  app.get('/api/v2/receivers', hidden, async () => receivers().map((name) => ({ name })));

  app.get('/api/v2/alerts', hidden, async ({ query }) => {
    const board = await AlertBoard.read(options);
    return board.alerts(filterOf(query));
  });

  app.get('/api/v2/alerts/groups', hidden, async ({ query }) => {
    const board = await AlertBoard.read(options);
    return board.groups(filterOf(query));
  });

  app.get('/api/v2/silences', hidden, async ({ query }) => {
    // A silence fits when it has all these matchers, as they are.
    const wanted = matchersOfQuery(query).map(String);
    const now = Date.now();
    return (await silences.list(now)).flatMap((silence) => {
      const own = setsOf(silence).flat().map(String);
      const shown = wanted.every((one) => own.includes(one)) && shownSilence(silence, now);
      return shown ? [shown] : [];
    });
  });

  app.get<{ Params: { id: string } }>('/api/v2/silence/:id', hidden, async ({ params }) => {
    const shown = shownSilence(await silences.get(params.id), Date.now());
    if (!shown) throw new ProblemError('not_found', 'This silence has matchers of Tocsin only.');
    return shown;
  });

  app.delete<{ Params: { id: string } }>(
    '/api/v2/silence/:id',
    hidden,
    async ({ params }, reply) => {
      await silences.expire(params.id, Date.now());
      return reply.status(200).send();
    },
  );

  app.post('/api/v2/silences', hidden, async ({ body, holder }) => {
    const { id, ...draft } = readSilence(body, holder?.name ?? '');
    const { id: made } = await silences.set(draft, Date.now(), id || undefined);
    return { silenceID: made };
  });
}

type Query = Readonly<Record<string, unknown>>;

function filterOf(query: unknown): AlertFilter {
  const given = query as Query;
  const flag = (name: string) => given[name] !== 'false';
  const { receiver } = given;
  return {
    matchers: matchersOfQuery(query),
    receiver: typeof receiver === 'string' && receiver !== '' ? receiverTest(receiver) : undefined,
    active: flag('active'),
    silenced: flag('silenced'),
    inhibited: flag('inhibited'),
    muted: flag('muted'),
  };
}

function receiverTest(pattern: string): (name: string) => boolean {
  try {
    return compileAnchored(pattern).test;
  } catch (error) {
    if (!(error instanceof RegexError)) throw error;
    throw bad(`failed to parse receiver param: ${error.message}`);
  }
}

function matchersOfQuery(query: unknown): Condition[] {
  const { filter } = query as Query;
  const texts = [filter ?? []].flat().filter((one): one is string => typeof one === 'string');
  return texts.slice(0, 64).map((text) => asRequest(() => parseMatcher(text)));
}

/** What cannot be read was sent so. */
function asRequest<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof MatcherError)) throw error;
    throw bad(`bad matcher format: ${error.message}`);
  }
}

const OPERATOR_OF = ['=', '!=', '=~', '!~'] as const;

function readSilence(body: unknown, bearer: string) {
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw bad('the body must be a silence');
  const { id, matchers, startsAt, endsAt, createdBy, comment } = body as Query;
  if (!Array.isArray(matchers)) throw bad('matchers in body is required');
  const time = (value: unknown, name: string): number => {
    const read = typeof value === 'string' ? Date.parse(value) : Number.NaN;
    if (Number.isNaN(read)) throw bad(`${name} in body must be of type date-time`);
    return read;
  };
  const text = (value: unknown, most: number) =>
    typeof value === 'string' ? value.slice(0, most) : '';
  return {
    id: text(id, 64),
    matchers: [matchers.map(readMatcher)],
    startsAt: time(startsAt, 'startsAt'),
    endsAt: time(endsAt, 'endsAt'),
    createdBy: text(createdBy, 256) || bearer,
    comment: text(comment, 4096),
  };
}

function readMatcher(given: unknown): Condition {
  const { name, value, isRegex, isEqual = true } = (given ?? {}) as Query;
  if (typeof name !== 'string' || name === '') throw bad('name in body is required');
  if (typeof value !== 'string') throw bad('value in body is required');
  const operator = OPERATOR_OF[(isRegex === true ? 2 : 0) + (isEqual === false ? 1 : 0)];
  return asRequest(() => build(name, operator as Operator, value));
}

/** A silence in Alertmanager's shape; undefined for one that it has no shape for. */
function shownSilence(silence: StoredSilence, now: number) {
  const [conditions = [], another] = setsOf(silence);
  const operators = conditions.map(({ operator }) =>
    (OPERATOR_OF as readonly string[]).indexOf(operator),
  );
  if (another || conditions.length === 0 || operators.includes(-1)) return undefined;
  return {
    id: silence.id,
    status: { state: stateOf(silence, now) },
    updatedAt: new Date(silence.updated_at).toISOString(),
    comment: silence.comment,
    createdBy: silence.created_by,
    endsAt: new Date(silence.ends_at).toISOString(),
    startsAt: new Date(silence.starts_at).toISOString(),
    matchers: conditions.map(({ name, value }, index) => ({
      name,
      value,
      isRegex: (operators[index] ?? 0) >= 2,
      isEqual: (operators[index] ?? 0) % 2 === 0,
    })),
  };
}
