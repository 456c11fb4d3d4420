/**
 * Which addresses a webhook may reach. A name is resolved once, its addresses are checked, and the connection goes to one of those
 * that passed: a second answer of the name server cannot lead elsewhere.
 */
import { BlockList, isIPv4, isIPv6 } from 'node:net';

/** IPv4 that is not public: RFC 6890 special purpose, multicast, and the address Azure serves machine metadata from. */
const refusedV4 = new BlockList();
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['168.63.129.16', 32],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
] as const) {
  refusedV4.addSubnet(network, prefix);
}

/** IPv6 within the global unicast range that is still not the public internet: Teredo and other IETF uses, documentation, 6to4. */
const refusedV6 = new BlockList();
for (const [network, prefix] of [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const) {
  refusedV6.addSubnet(network, prefix, 'ipv6');
}
const globalV6 = new BlockList();
globalV6.addSubnet('2000::', 3, 'ipv6');

/** Forms of IPv6 that carry an IPv4 address at their end: mapped, and the well-known NAT64 prefix. */
const CARRIES_V4 = /^\[(?:::ffff|64:ff9b:):([0-9a-f]{1,4}):([0-9a-f]{1,4})\]$/;

/** Whether an IP address is on the public internet. What cannot be read is not. */
export function isPublicAddress(address: string): boolean {
  if (isIPv4(address)) return !refusedV4.check(address);
  if (!isIPv6(address) || address.includes('%')) return false;
  const canonical = new URL(`http://[${address}]`).hostname;
  const [, high, low] = CARRIES_V4.exec(canonical) ?? [];
  if (high !== undefined && low !== undefined) return isPublicAddress(toV4(high, low));
  const plain = canonical.slice(1, -1);
  return globalV6.check(plain, 'ipv6') && !refusedV6.check(plain, 'ipv6');
}

function toV4(high: string, low: string): string {
  const bits = [high, low].map((group) => Number.parseInt(group, 16));
  return bits.flatMap((group) => [group >> 8, group & 0xff]).join('.');
}
