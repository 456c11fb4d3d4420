import type { ByteString } from '../../rules/field.ts';
import { containerOfPath } from '../../state/cgroup-path.ts';
import type { ContainerFacts } from '../../state/container.ts';
import type { Fact } from '../facts.ts';
import { containerFactsOf } from './container-json.ts';

/** Bytes of all that is told of containers. */
const FACTS_LIMIT = 64 * 1024 * 1024;
/** Cgroups and containers that are kept. */
const LIMIT = 16_384;

/** Numbers for the cgroups of a capture, and the facts of the containers in them. */
export class Cgroups {
  readonly #numbers = new Map<ByteString, number>();
  /** Paths of containers by what captures call their id. */
  readonly #paths = new Map<ByteString, ByteString[]>();
  readonly #facts = new Map<ByteString, { runtime: string; facts: ContainerFacts }>();
  #factBytes = 0;
  readonly #onNew: (id: number, path: ByteString) => void;
  readonly #onFact: (fact: Fact) => void;
  readonly #onContainer: (id: ByteString, path: ByteString) => void;

  /**
   * `onNew` is called for a cgroup seen first, `onFact` for what is told of a container that is in one, `onContainer` for the
   * cgroup of a container by its short id.
   */
  constructor(
    onNew: (id: number, path: ByteString) => void,
    onFact: (fact: Fact) => void,
    onContainer: (id: ByteString, path: ByteString) => void,
  ) {
    this.#onNew = onNew;
    this.#onFact = onFact;
    this.#onContainer = onContainer;
  }

  /** Cgroups of a container by its short id. */
  pathsOf(container: ByteString): readonly ByteString[] {
    return this.#paths.get(container) ?? [];
  }

  /** The number of the cgroup in a list of `subsystem=path`, each ended by NUL. */
  numberOf(list: ByteString): number {
    const path = pathIn(list);
    const known = this.#numbers.get(path);
    if (known !== undefined) return known;
    if (this.#numbers.size >= LIMIT) return 0;
    const number = this.#numbers.size + 1;
    this.#numbers.set(path, number);
    const container = containerOfPath(path);
    if (container !== undefined) {
      const id = shortId(container.fullId);
      const paths = this.#paths.get(id) ?? [];
      this.#paths.set(id, paths);
      if (!paths.includes(container.path)) {
        paths.push(container.path);
        this.#onContainer(id, container.path);
      }
      this.#tell(id, container.path);
    }
    this.#onNew(number, path);
    return number;
  }

  /** Takes what a capture tells of a container as JSON. */
  learn(json: ByteString): void {
    if (this.#factBytes + json.length > FACTS_LIMIT) return;
    const told = containerFactsOf(json);
    if (told === undefined || this.#facts.size >= LIMIT) return;
    this.#factBytes += json.length;
    const id = shortId(told.id);
    this.#facts.set(id, told);
    for (const path of this.#paths.get(id) ?? []) this.#tell(id, path);
  }

  #tell(id: ByteString, cgroupPath: ByteString): void {
    const known = this.#facts.get(id);
    if (known !== undefined)
      this.#onFact({ kind: 'container', cgroupPath, confirmed: true, ...known });
  }
}

export const shortId = (id: ByteString): ByteString => id.slice(0, 12);

/** The path that names a container, or else the first that is not the root. */
function pathIn(list: ByteString): ByteString {
  const paths = list
    .split('\0')
    .map((pair) => pair.slice(pair.indexOf('=') + 1))
    .filter((path) => path.startsWith('/'));
  return (
    paths.find((path) => containerOfPath(path) !== undefined) ??
    paths.find((path) => path !== '/') ??
    '/'
  );
}
