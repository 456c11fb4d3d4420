/** ArcSight Common Event Format, version 0: `CEF:0|vendor|product|version|id|name|severity|key=value …`. */
import { type Priority, severityOf } from '@tocsin/openapi';
import { cut, printable } from '../text.ts';
import { readFacts } from './facts.ts';
import { type Format, PRODUCT } from './format.ts';

/** 0 to 10, from Emergency down to Debug; CEF calls 9 and 10 very high, 7 and 8 high, 4 to 6 medium. */
const SEVERITIES = [10, 9, 8, 7, 6, 4, 3, 0];
const MAX_VALUE = 1023;
const MAX_HEADER = 512;

export const severityOutOfTen = (priority: Priority): number =>
  SEVERITIES[severityOf(priority)] ?? 0;

export const cef: Format = {
  encode(alert) {
    const facts = readFacts(alert);
    const { process, parent, user, container, pod, source, destination } = facts;
    const header = [
      ...[PRODUCT.vendor, PRODUCT.name, PRODUCT.version, alert.rule, alert.rule].map(escapeHeader),
      severityOutOfTen(alert.priority),
    ];
    const extension: [string, string | number | undefined][] = [
      ['rt', Date.parse(alert.time)],
      ['start', Date.parse(alert.first_seen)],
      ['end', Date.parse(alert.last_seen)],
      ['externalId', alert.id],
      ['cnt', alert.count],
      ['cat', alert.source],
      ['dvchost', alert.hostname],
      ['act', facts.event.type],
      ['outcome', alert.status],
      ['msg', alert.output],
      ['suser', user.name],
      ['suid', user.id],
      ['sproc', process.executable || process.name],
      ['spid', process.pid],
      ['filePath', facts.file],
      ['src', source?.ip],
      ['spt', source?.port],
      ['dst', destination?.ip],
      ['dpt', destination?.port],
      ['proto', facts.transport.toUpperCase()],
      ...custom(1, 'commandLine', process.commandLine),
      ...custom(2, 'parentProcess', parent.name),
      ...custom(3, 'container', container.name || container.id),
      ...custom(4, 'image', [container.image, container.tag].filter(Boolean).join(':')),
      ...custom(5, 'pod', [pod.namespace, pod.name].filter(Boolean).join('/')),
      ...custom(6, 'tags', alert.tags.join(',')),
    ];
    const pairs = extension
      .filter(([, value]) => value !== undefined && value !== '' && !Number.isNaN(value))
      .map(([key, value]) => `${key}=${escapeValue(String(value))}`);
    return `CEF:0|${header.join('|')}|${pairs.join(' ')}`;
  },
};

const custom = (number: number, label: string, value: string): [string, string][] =>
  value === ''
    ? []
    : [
        [`cs${number}Label`, label],
        [`cs${number}`, value],
      ];

const escapeHeader = (text: string): string =>
  printable(text, MAX_HEADER).replace(/[\\|]/g, '\\$&');

const escapeValue = (text: string): string =>
  printable(cut(text, MAX_VALUE), MAX_VALUE).replace(/[\\=]/g, '\\$&');
