import { resolve4, resolve6 } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';
import type { AddressBytes, ByteString } from '../rules/field.ts';
import { parseAddress } from '../rules/operators/address.ts';
import { addressesIn } from './hosts-file.ts';

const FIRST_REFRESH_MS = 10_000;
const LAST_REFRESH_MS = 320_000;
const LIMIT = 1024;
const HOSTS_FILE = '/etc/hosts';

interface Domain {
  addresses: readonly AddressBytes[];
  waitMs: number;
  timer: NodeJS.Timeout | undefined;
}

/** Finds a name's addresses. */
export type Resolve = (name: string) => Promise<readonly string[]>;

let reading: Promise<string> | undefined;

/** Names are looked up together: one reading does for all, and the threads that read files are there for what cannot wait. */
function hostsFile(): Promise<string> {
  reading ??= readFile(HOSTS_FILE, 'utf8')
    .catch(() => '')
    .finally(() => {
      reading = undefined;
    });
  return reading;
}

/** The hosts file goes before DNS, as for every program of the machine. `lookup` would hold up the threads that read files. */
async function resolveBoth(name: string): Promise<readonly string[]> {
  const listed = addressesIn(await hostsFile(), name);
  if (listed.length > 0) return listed;
  const answers = await Promise.allSettled([resolve4(name), resolve6(name)]);
  return answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
}

/** Addresses of the domains that rules name, looked up in the background and kept fresh; judging never waits for DNS. */
export class DomainCache {
  readonly #domains = new Map<string, Domain>();
  readonly #names = new Map<AddressBytes, ByteString>();
  readonly #resolve: Resolve;

  constructor(resolve: Resolve = resolveBoth) {
    this.#resolve = resolve;
  }

  /** Starts looking up these, and forgets all others. */
  async use(names: Iterable<string>): Promise<void> {
    const wanted = new Set([...names].slice(0, LIMIT));
    for (const [name, domain] of this.#domains) {
      if (wanted.has(name)) continue;
      clearTimeout(domain.timer);
      this.#domains.delete(name);
    }
    await Promise.all([...wanted].map((name) => this.#begin(name)));
  }

  /** The addresses as far as they are known now. */
  readonly addressesOf = (name: string): readonly AddressBytes[] | undefined =>
    this.#domains.get(name)?.addresses;

  /** A domain that has the address. */
  readonly domainOf = (address: AddressBytes): ByteString | undefined => this.#names.get(address);

  stop(): void {
    for (const { timer } of this.#domains.values()) clearTimeout(timer);
    this.#domains.clear();
    this.#names.clear();
  }

  async #begin(name: string): Promise<void> {
    if (this.#domains.has(name)) return;
    const domain: Domain = { addresses: [], waitMs: FIRST_REFRESH_MS, timer: undefined };
    this.#domains.set(name, domain);
    await this.#look(name, domain);
  }

  async #look(name: string, domain: Domain): Promise<void> {
    const found = await this.#resolve(name).catch(() => []);
    if (this.#domains.get(name) !== domain) return;
    const addresses = found.map(parseAddress).filter((one) => one !== undefined);
    if (addresses.length > 0) domain.addresses = addresses;
    this.#index();
    domain.timer = setTimeout(() => void this.#look(name, domain).catch(() => {}), domain.waitMs);
    domain.timer.unref();
    domain.waitMs = Math.min(domain.waitMs * 2, LAST_REFRESH_MS);
  }

  #index(): void {
    this.#names.clear();
    for (const [name, { addresses }] of this.#domains) {
      for (const address of addresses)
        if (!this.#names.has(address)) this.#names.set(address, name);
    }
  }
}
