import type { AddressBytes } from '../field.ts';

/** A network: its address bytes and how many leading bits count. */
export interface Network {
  readonly address: AddressBytes;
  readonly bits: number;
}

function parseIpv4(text: string): AddressBytes | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (!match) return undefined;
  const parts = match.slice(1).map(Number);
  if (parts.some((part) => part > 255)) return undefined;
  // `inet_pton` takes no leading zeros.
  if (match.slice(1).some((part) => part.length > 1 && part.startsWith('0'))) return undefined;
  return String.fromCharCode(...parts);
}

function parseGroups(text: string): number[] | undefined {
  if (text === '') return [];
  const groups: number[] = [];
  const parts = text.split(':');
  for (const [index, part] of parts.entries()) {
    if (part.includes('.') && index === parts.length - 1) {
      const tail = parseIpv4(part);
      if (tail === undefined) return undefined;
      for (let at = 0; at < 4; at += 2)
        groups.push(tail.charCodeAt(at) * 256 + tail.charCodeAt(at + 1));
    } else if (/^[0-9a-fA-F]{1,4}$/.test(part)) groups.push(Number.parseInt(part, 16));
    else return undefined;
  }
  return groups;
}

function parseIpv6(text: string): AddressBytes | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = parseGroups(halves[0] ?? '');
  const tail = halves.length === 2 ? parseGroups(halves[1] ?? '') : [];
  if (!head || !tail) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const groups = [...head, ...new Array<number>(missing).fill(0), ...tail];
  return groups.map((group) => String.fromCharCode(group >> 8, group & 0xff)).join('');
}

const MAPPED_PREFIX = '\0\0\0\0\0\0\0\0\0\0\xff\xff';

/** Reads an address; a dot without a colon means IPv4. Mapped IPv4 becomes IPv4. */
export function parseAddress(text: string): AddressBytes | undefined {
  if (!text.includes(':')) return parseIpv4(text);
  const address = parseIpv6(text);
  return address?.startsWith(MAPPED_PREFIX) ? address.slice(12) : address;
}

/** Reads `address/bits`; bits of the host part may be set. */
export function parseNetwork(text: string): Network | undefined {
  const match = /^([^/]+)\/(\d{1,3})$/.exec(text);
  const [, left, right] = match ?? [];
  if (left === undefined || right === undefined) return undefined;
  const address = left.includes(':') ? parseIpv6(left) : parseIpv4(left);
  const bits = Number(right);
  if (address === undefined || bits > address.length * 8) return undefined;
  return address.length === 16 && bits === 0 ? undefined : { address, bits };
}

/** Whether an address lies in a network; addresses of the other family never do. */
export function isInNetwork(address: AddressBytes, network: Network): boolean {
  if (address.length !== network.address.length) return false;
  const whole = network.bits >> 3;
  for (let index = 0; index < whole; index++) {
    if (address.charCodeAt(index) !== network.address.charCodeAt(index)) return false;
  }
  const rest = network.bits & 7;
  if (rest === 0) return true;
  const shift = 8 - rest;
  return address.charCodeAt(whole) >> shift === network.address.charCodeAt(whole) >> shift;
}

/** The longest run of zero groups, of two or more, becomes `::`. */
function formatIpv6(address: AddressBytes): string {
  const groups: number[] = [];
  for (let index = 0; index < 16; index += 2) {
    groups.push(address.charCodeAt(index) * 256 + address.charCodeAt(index + 1));
  }
  let best = { start: -1, length: 1 };
  for (let start = 0; start < 8; start++) {
    let end = start;
    while (end < 8 && groups[end] === 0) end += 1;
    if (end - start > best.length) best = { start, length: end - start };
  }
  const hex = (part: number[]) => part.map((group) => group.toString(16)).join(':');
  if (best.start < 0) return hex(groups);
  return `${hex(groups.slice(0, best.start))}::${hex(groups.slice(best.start + best.length))}`;
}

/** An address as people write it. */
export function formatAddress(address: AddressBytes): string {
  if (address.length === 16) return formatIpv6(address);
  return [...address].map((byte) => byte.charCodeAt(0)).join('.');
}
