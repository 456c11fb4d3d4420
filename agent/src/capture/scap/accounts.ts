import type { Account } from '../../events/fields/context.ts';
import type { ByteString } from '../../rules/field.ts';
import type { Fact } from '../facts.ts';
import { shortId } from './cgroups.ts';
import type { AccountEntry } from './lists.ts';

/** Users and groups that are kept, of the host and of all containers. */
const LIMIT = 65_536;

interface Table {
  readonly users: Map<number, Account & { readonly id: number }>;
  readonly groups: Map<number, ByteString>;
}

/** The users and groups a capture tells, told on as facts once it has begun and the place of their container is known. */
export class Accounts {
  readonly #tables = new Map<ByteString, Table>();
  readonly #pathsOf: (container: ByteString) => readonly ByteString[];
  readonly #onFact: (fact: Fact) => void;
  #entries = 0;
  #hasStarted = false;
  /** Users and groups that were not kept, because there were too many. */
  refused = 0;

  /** `pathsOf` gives the cgroups of a container by its short id. */
  constructor(
    pathsOf: (container: ByteString) => readonly ByteString[],
    onFact: (fact: Fact) => void,
  ) {
    this.#pathsOf = pathsOf;
    this.#onFact = onFact;
  }

  /** `container` is empty for the host. */
  change(entry: AccountEntry, container: ByteString, isDeleted: boolean): void {
    const key = shortId(container);
    const table = this.#tables.get(key) ?? { users: new Map(), groups: new Map() };
    const entries: Map<number, unknown> = entry.kind === 'user' ? table.users : table.groups;
    if (isDeleted) {
      if (!entries.delete(entry.id)) return;
      this.#entries--;
    } else {
      if (!entries.has(entry.id) && this.#entries++ >= LIMIT) {
        this.#entries--;
        this.refused++;
        return;
      }
      entries.set(entry.id, entry.kind === 'user' ? entry : entry.name);
      this.#tables.set(key, table);
    }
    if (!this.#hasStarted) return;
    for (const path of this.#placesOf(key)) {
      if (isDeleted) this.#tell(path, table, false);
      else this.#tell(path, oneOf(entry), true);
    }
  }

  /** The lists before the events are over. */
  start(): void {
    this.#hasStarted = true;
    for (const [key, table] of this.#tables)
      for (const path of this.#placesOf(key)) this.#tell(path, table, false);
  }

  /** A container was seen in a cgroup for the first time. */
  place(container: ByteString, path: ByteString): void {
    const table = this.#tables.get(container);
    if (this.#hasStarted && table !== undefined) this.#tell(path, table, false);
  }

  #placesOf(container: ByteString): readonly ByteString[] {
    return container === '' ? [''] : this.#pathsOf(container);
  }

  #tell(cgroupPath: ByteString, { users, groups }: Table, isAddition: boolean): void {
    this.#onFact({
      kind: 'accounts',
      cgroupPath,
      users: [...users.values()],
      groups: [...groups].map(([id, name]) => ({ id, name })),
      isAddition,
    });
  }
}

function oneOf(entry: AccountEntry): Table {
  const table: Table = { users: new Map(), groups: new Map() };
  if (entry.kind === 'user') table.users.set(entry.id, entry);
  else table.groups.set(entry.id, entry.name);
  return table;
}
