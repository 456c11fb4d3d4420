import { lstatSync, type Stats } from 'node:fs';
import type { Account, Accounts } from '../events/fields/context.ts';
import type { KernelEvent } from '../events/kernel-event.ts';
import type { ByteString } from '../rules/field.ts';
import { type Container, HOST } from './container.ts';
import { readRegularSync } from './regular-file.ts';

/** Names by number. */
export interface AccountTable {
  readonly users: ReadonlyMap<number, Account>;
  readonly groups: ReadonlyMap<number, ByteString>;
}

interface ReadTable extends AccountTable {
  readonly bytes: number;
  readonly readAt: number;
  /** Changes of the files show here; empty when there are none to go by. */
  readonly stamp: string;
}

export interface AccountFilesOptions {
  readonly hostRoot?: string;
  /** Root folder of a process, as /proc shows it. */
  readonly rootOf?: (tgid: number) => string;
  /** Containers whose names are kept at a time. */
  readonly limit?: number;
  /** Bytes of all names. */
  readonly byteLimit?: number;
  /** How long names are taken as true before the files are looked at again, ms. */
  readonly freshMs?: number;
  readonly now?: () => number;
  /** Called when the names of the host or of a container were read, because they were not known or had changed. */
  readonly onRead?: (container: Container, table: AccountTable) => void;
}

const FILE_LIMIT = 65_536;
/** An entry of a table without its text. */
const ACCOUNT_BYTES = 200;

/** Names of users and groups by the passwd and group files of the host or of the container the event happened in. */
export class AccountFiles implements Accounts {
  readonly #tables = new Map<Container, ReadTable>();
  readonly #options: Required<AccountFilesOptions>;
  #bytes = 0;

  constructor(options: AccountFilesOptions = {}) {
    this.#options = {
      hostRoot: '/',
      rootOf: (tgid) => `/proc/${tgid}/root`,
      limit: 1024,
      byteLimit: 32 * 1024 * 1024,
      freshMs: 5000,
      now: () => performance.now(),
      onRead: () => {},
      ...options,
    };
  }

  get size(): number {
    return this.#tables.size;
  }

  /** Bytes of all names, about. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The most there can be. */
  get limits(): { readonly entries: number; readonly bytes: number } {
    return { entries: this.#options.limit, bytes: this.#options.byteLimit };
  }

  user(uid: number, event: KernelEvent): Account | undefined {
    return this.#table(event).users.get(uid);
  }

  group(gid: number, event: KernelEvent): ByteString | undefined {
    return this.#table(event).groups.get(gid);
  }

  /** Reads the names of a container while its root is there: its processes may be gone before anyone asks. */
  learn(container: Container): void {
    const root = container.facts?.root;
    if (root === undefined || this.#tables.has(container)) return;
    const table = read(root, stampOf(root), this.#options.now());
    if (table.stamp !== '') this.#keep(container, table);
  }

  #table(event: KernelEvent): ReadTable {
    const { container } = event;
    const known = this.#tables.get(container);
    const now = this.#options.now();
    if (known !== undefined && now - known.readAt < this.#options.freshMs) return known;
    const root = this.#rootOf(event);
    const stamp = stampOf(root);
    const isKnown = known !== undefined && stamp === known.stamp;
    let table = isKnown ? { ...known, readAt: now } : read(root, stamp, now);
    // A process that has gone shows no root, or half of it: what was read through another one holds.
    if (table.stamp === '' && known !== undefined) table = { ...known, readAt: now };
    // A root that is gone, or has no names, says nothing about the next process of the container: it may see another.
    if (table.stamp !== '') this.#keep(container, table);
    return table;
  }

  #rootOf({ container, tgid }: KernelEvent): string {
    const { hostRoot, rootOf } = this.#options;
    if (container === HOST) return hostRoot;
    const own = rootOf(tgid);
    // What sets a container up or enters it has the root of the host until it is in, and what has ended has none.
    return container.facts?.root !== undefined && !isElsewhere(own, hostRoot)
      ? container.facts.root
      : own;
  }

  #keep(container: Container, table: ReadTable): void {
    if (this.#tables.get(container)?.stamp !== table.stamp) this.#options.onRead(container, table);
    this.#drop(container);
    this.#tables.set(container, table);
    this.#bytes += table.bytes;
    const { limit, byteLimit } = this.#options;
    for (const oldest of this.#tables.keys()) {
      if (this.#tables.size <= limit && this.#bytes <= byteLimit) break;
      if (oldest !== container) this.#drop(oldest);
    }
  }

  #drop(container: Container): void {
    this.#bytes -= this.#tables.get(container)?.bytes ?? 0;
    this.#tables.delete(container);
  }
}

/** Whether there is a folder, and another one than that. */
function isElsewhere(path: string, other: string): boolean {
  const [one, two] = [path, other].map((place) => statOf(`${place}/`));
  return one !== undefined && (one.ino !== two?.ino || one.dev !== two.dev);
}

function stampOf(root: string): string {
  return ['passwd', 'group']
    .map((name) => {
      const stats = statOf(`${root}/etc/${name}`);
      return stats === undefined ? '' : `${stats.ino}.${stats.mtimeMs}.${stats.size}`;
    })
    .join(';')
    .replace(/^;$/, '');
}

function statOf(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch {
    return undefined;
  }
}

/** What the files say; without a stamp when they changed or went while they were read, which a process does by ending. */
function read(root: string, before: string, readAt: number): ReadTable {
  const users = new Map<number, Account>();
  const groups = new Map<number, ByteString>();
  if (isOwnFolder(`${root}/etc`)) {
    for (const [name = '', , uid, , , home = '', shell = ''] of lines(`${root}/etc/passwd`)) {
      add(users, uid, { name, home, shell });
    }
    for (const [name = '', , gid] of lines(`${root}/etc/group`)) add(groups, gid, name);
  }
  const bytes = (users.size + groups.size) * ACCOUNT_BYTES + textBytes(users) + textBytes(groups);
  const stamp = stampOf(root) === before ? before : '';
  return { users, groups, readAt, stamp, bytes };
}

function textBytes(table: ReadonlyMap<number, Account | ByteString>): number {
  let bytes = 0;
  for (const one of table.values()) {
    bytes +=
      typeof one === 'string' ? one.length : one.name.length + one.home.length + one.shell.length;
  }
  return bytes;
}

/** A container could make `etc` a link that leads to the host's. */
function isOwnFolder(path: string): boolean {
  return statOf(path)?.isDirectory() ?? false;
}

function lines(path: string): string[][] {
  return (readRegularSync(path, FILE_LIMIT)?.latin1Slice() ?? '')
    .split('\n')
    .map((line) => line.split(':'));
}

/** The first line of a number counts. */
function add<T>(table: Map<number, T>, id: string | undefined, value: T): void {
  if (id === undefined || !/^\d{1,10}$/.test(id) || table.has(Number(id))) return;
  table.set(Number(id), value);
}
