/** What the answer to a bulk request means: its status is 200 even when every document was refused. */
import type { FailureReason, Outcome } from '../../channel.ts';
import { ambiguous, ok, permanent, retry } from '../../outcome.ts';

interface Item {
  readonly status?: unknown;
  readonly error?: { readonly type?: unknown; readonly reason?: unknown };
}

/** A document of this id is there: an earlier attempt made it. */
const CONFLICT = 409;

export function readBulkAnswer(answer: string): Outcome {
  const items = readItems(answer);
  if (!items || items.length === 0)
    return ambiguous('server_error', `not the answer of a bulk API: ${answer}`);
  const failed = items.filter((item) => !isThere(item));
  const [first] = failed;
  if (!first) return ok(`${items.length} documents`);
  const words = `${failed.length} of ${items.length} documents refused: ${describe(first)}`;
  // Those that were taken are known by their ids when all are sent again.
  const passing = failed.find(({ status }) => Number(status) === 429 || Number(status) >= 500);
  if (passing) {
    return Number(passing.status) === 429
      ? retry('rate_limited', words)
      : retry('server_error', words);
  }
  return permanent(REASONS.get(Number(first.status)) ?? 'client_error', words);
}

/** An index that is not there, and may not be made, is missing for all that comes. */
const REASONS: ReadonlyMap<number, FailureReason> = new Map([
  [401, 'auth'],
  [403, 'auth'],
  [404, 'configuration'],
]);

const isThere = ({ status }: Item): boolean =>
  (Number(status) >= 200 && Number(status) < 300) || Number(status) === CONFLICT;

const describe = ({ status, error }: Item): string =>
  `${String(error?.type ?? status)}: ${String(error?.reason ?? 'no reason given')}`;

function readItems(answer: string): Item[] | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(answer);
  } catch {
    return undefined;
  }
  const { items } = (parsed ?? {}) as { items?: unknown };
  if (!Array.isArray(items)) return undefined;
  return items.map((item: unknown): Item => {
    const [result] = typeof item === 'object' && item !== null ? Object.values(item) : [];
    return (result ?? {}) as Item;
  });
}
