/** IBM QRadar Log Event Extended Format 2.0: `LEEF:2.0|vendor|product|version|event id|delimiter|key=value⇥…`. */
import { printable } from '../text.ts';
import { severityOutOfTen } from './cef.ts';
import { readFacts } from './facts.ts';
import { type Format, PRODUCT } from './format.ts';

const MAX_VALUE = 4096;
const MAX_HEADER = 512;

export const leef: Format = {
  encode(alert) {
    const facts = readFacts(alert);
    const { process, parent, user, container, pod, source, destination } = facts;
    const header = [PRODUCT.vendor, PRODUCT.name, PRODUCT.version, alert.rule].map(cleanHeader);
    const attributes: [string, string | number | undefined][] = [
      ['devTime', Date.parse(alert.time)],
      ['cat', alert.source],
      // LEEF counts from 1.
      ['sev', Math.max(1, severityOutOfTen(alert.priority))],
      ['identHostName', alert.hostname],
      ['usrName', user.name],
      ['src', source?.ip],
      ['srcPort', source?.port],
      ['dst', destination?.ip],
      ['dstPort', destination?.port],
      ['proto', facts.transport.toUpperCase()],
      ['resource', facts.file],
      ['rule', alert.rule],
      ['priority', alert.priority],
      ['msg', alert.output],
      ['externalId', alert.id],
      ['count', alert.count],
      ['status', alert.status],
      ['eventType', facts.event.type],
      ['process', process.executable || process.name],
      ['pid', process.pid],
      ['commandLine', process.commandLine],
      ['parentProcess', parent.name],
      ['container', container.name || container.id],
      ['image', [container.image, container.tag].filter(Boolean).join(':')],
      ['pod', [pod.namespace, pod.name].filter(Boolean).join('/')],
      ['tags', alert.tags.join(',')],
    ];
    const pairs = attributes
      .filter(([, value]) => value !== undefined && value !== '' && !Number.isNaN(value))
      // `printable` leaves no tab in a value, so nothing in it can end it.
      .map(([key, value]) => `${key}=${printable(String(value), MAX_VALUE)}`);
    return `LEEF:2.0|${header.join('|')}|x09|${pairs.join('\t')}`;
  },
};

/** The header knows no escape; the attribute `rule` has the name as it is. */
const cleanHeader = (text: string): string => printable(text, MAX_HEADER).replaceAll('|', '/');
