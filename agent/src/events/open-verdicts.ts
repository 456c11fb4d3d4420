import {
  EVENT_FAULT,
  EVENT_FROM_FD,
  EVENT_IA32,
  EVENT_IO_URING,
  EVENT_OPEN,
  EVENT_PATH_INCOMPLETE,
  EVENT_TRUNCATED,
  EVENT_X32,
  type OpenVerdict,
  openLayout,
  VERDICT_PATH_MAX,
  VERDICT_REAL_MAX,
} from '@tocsin/native';
import type { CompiledRules, Knowledge } from '../rules/compile-rules.ts';
import { givenPath, realPath } from './event-path.ts';
import type { KernelEvent } from './kernel-event.ts';
import { CLASS_KNOWLEDGE, isClassified } from './open-classes.ts';

/** Fields that a native open's call, flags and absolute path decide, given whether it failed. */
const PATH_FIELDS: ReadonlySet<string> = new Set([
  ...['fd.name', 'fd.nameraw', 'fd.directory', 'fd.filename', 'evt.abspath'],
  ...['fs.path.name', 'fs.path.nameraw', 'fs.path.source', 'fs.path.sourceraw'],
  ...['fs.path.target', 'fs.path.targetraw'],
]);

/** What is known of all opens with the call, the flags and the path of this one that ended alike. */
const PATH_KNOWLEDGE: Knowledge<KernelEvent> = {
  ...CLASS_KNOWLEDGE,
  knows: (field, event) =>
    PATH_FIELDS.has(field.definition.name) || CLASS_KNOWLEDGE.knows(field, event),
};

/** Fields that the kernel's own path decides together with the path as given. */
const REAL_FIELDS: ReadonlySet<string> = new Set([
  'fd.path.real',
  'fd.path.resolved',
  'fd.path.resolved.directory',
]);

/** And which led to the same file name in the kernel. */
const REAL_KNOWLEDGE: Knowledge<KernelEvent> = {
  ...CLASS_KNOWLEDGE,
  knows: (field, event) =>
    REAL_FIELDS.has(field.definition.name) || PATH_KNOWLEDGE.knows(field, event),
};

/** Fields of which every event outside of containers has the same value. */
const HOST_FIELDS: ReadonlySet<string> = new Set([
  ...['container.id', 'container.full_id', 'container.type', 'container.name'],
  ...['container.image', 'container.image.repository', 'container.privileged'],
]);

/** And which were made outside of containers, if this one was. */
const onHost = (knowledge: Knowledge<KernelEvent>): Knowledge<KernelEvent> => ({
  ...knowledge,
  knows: (field, event) =>
    (event.container.isHost && HOST_FIELDS.has(field.definition.name)) ||
    knowledge.knows(field, event),
});

/** Opens with more to them than the kernel compares. */
const UNUSUAL =
  EVENT_IA32 |
  EVENT_X32 |
  EVENT_IO_URING |
  EVENT_TRUNCATED |
  EVENT_FAULT |
  EVENT_PATH_INCOMPLETE |
  EVENT_FROM_FD;

/** Opens alike that are seen before the rules are asked about all of their kind, which takes as long as judging some hundred. */
const HOT = 8;
const ASKED = 255;
const PLACES = 65_536;
/** Kinds of opens that the rules are asked about in a second. */
const ASKED_A_SECOND = 256;
/** The sightings start anew so often: what was asked in vain is asked again, what came once a minute is forgotten. */
const FORGOTTEN_AFTER_S = 10;

/** Whether the probe compares all of this verdict. */
function fits(path: string, real: string): boolean {
  return (
    path.startsWith('/') && path.length < VERDICT_PATH_MAX - 1 && real.length <= VERDICT_REAL_MAX
  );
}

/** The broadest verdict over opens like this one that no rule could match any of, if there is one. */
export function verdictFinder(
  rules: Pick<CompiledRules<KernelEvent>, 'couldMatch'>,
): (event: KernelEvent) => OpenVerdict | undefined {
  const byPath = rules.couldMatch(PATH_KNOWLEDGE);
  const byReal = rules.couldMatch(REAL_KNOWLEDGE);
  const byPathOnHost = rules.couldMatch(onHost(PATH_KNOWLEDGE));
  const byRealOnHost = rules.couldMatch(onHost(REAL_KNOWLEDGE));
  return (event) => {
    if (!isComparable(event)) return undefined;
    const path = givenPath(event);
    const failed = event.result < 0;
    const real = failed ? '' : (realPath(event) ?? '');
    if (!fits(path, real)) return undefined;
    const key = {
      call: event.syscall,
      openFlags: event.uint32(openLayout.openFlags),
      failed,
      path,
    };
    // The root itself is no path of a file that the kernel compares.
    const comparesReal = real.length > 1 && real.startsWith('/');
    const narrowest = comparesReal ? byRealOnHost : byPathOnHost;
    if (narrowest(event)) return undefined;
    if (!byPath(event)) return { ...key, real: '', onHost: false };
    if (comparesReal && !byReal(event)) return { ...key, real, onHost: false };
    return { ...key, real: byPathOnHost(event) ? real : '', onHost: true };
  };
}

function isComparable(event: KernelEvent): boolean {
  return event.kind === EVENT_OPEN && (event.flags & UNUSUAL) === 0 && isClassified(event.syscall);
}

/** Learns which opens come again and again that no rule could match, and has the probe leave them out. */
export class OpenVerdicts {
  readonly #find: (event: KernelEvent) => OpenVerdict | undefined;
  readonly #ruleOut: (verdict: OpenVerdict) => void;
  readonly #sightings = new Uint8Array(PLACES);
  #mayAsk = ASKED_A_SECOND;
  #seconds = 0;

  constructor(
    rules: Pick<CompiledRules<KernelEvent>, 'couldMatch'>,
    ruleOut: (verdict: OpenVerdict) => void,
  ) {
    this.#find = verdictFinder(rules);
    this.#ruleOut = ruleOut;
  }

  /** Takes notice of an event that was told. */
  observe(event: KernelEvent): void {
    if (!isComparable(event)) return;
    const place = placeOf(event);
    const seen = this.#sightings[place] ?? 0;
    if (seen === ASKED) return;
    if (seen < HOT) {
      this.#sightings[place] = seen + 1;
      return;
    }
    if (this.#mayAsk === 0) return;
    this.#mayAsk--;
    this.#sightings[place] = ASKED;
    const verdict = this.#find(event);
    if (verdict !== undefined) this.#ruleOut(verdict);
  }

  everySecond(): void {
    this.#mayAsk = ASKED_A_SECOND;
    this.#seconds = (this.#seconds + 1) % FORGOTTEN_AFTER_S;
    if (this.#seconds === 0) this.#sightings.fill(0);
  }
}

/** A place by flags, path and whether in a container, for counting only: opens that share one by chance are asked about sooner or later. */
function placeOf(event: KernelEvent): number {
  const { bytes, offset } = event;
  const length = Math.min(event.uint16(openLayout.stringLength), VERDICT_PATH_MAX);
  const start = offset + openLayout.size;
  let hash = event.uint32(openLayout.openFlags) ^ (event.result < 0 ? 0x9e3779b9 : 0);
  if (event.container.isHost) hash ^= 0x85ebca6b;
  for (let at = start; at < start + length; at++)
    hash = Math.imul(hash ^ (bytes[at] as number), 0x01000193);
  return ((hash ^ (hash >>> 16)) & (PLACES - 1)) >>> 0;
}
