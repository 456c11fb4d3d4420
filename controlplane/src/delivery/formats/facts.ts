/** The parts of an alert that SIEM schemas have a place for, read once for all formats. */
import { isIP } from 'node:net';
import type { StoredAlert } from '@tocsin/openapi';
import { fieldInteger, fieldText } from '../alert-fields.ts';

export interface Endpoint {
  readonly ip: string;
  readonly port: number | undefined;
}

export interface AlertFacts {
  readonly event: {
    readonly type: string;
    readonly about: 'process' | 'file' | 'network' | 'other';
  };
  readonly process: ProcessFacts;
  readonly parent: ProcessFacts;
  readonly user: { readonly name: string; readonly id: string };
  readonly container: {
    readonly id: string;
    readonly name: string;
    readonly image: string;
    /** Its id or digest. */
    readonly imageId: string;
    readonly tag: string;
  };
  readonly pod: { readonly name: string; readonly namespace: string };
  /** Path of the file that the event is about; empty when it is about something else. */
  readonly file: string;
  readonly source: Endpoint | undefined;
  readonly destination: Endpoint | undefined;
  /** `tcp`, `udp`, …; empty when unknown. */
  readonly transport: string;
  /** Names of MITRE ATT&CK tactics, from tags such as `mitre_credential_access`. */
  readonly tactics: readonly string[];
  /** Ids of MITRE ATT&CK techniques, from tags such as `T1059.004`. */
  readonly techniques: readonly string[];
}

export interface ProcessFacts {
  readonly name: string;
  readonly pid: number | undefined;
  readonly executable: string;
  readonly commandLine: string;
}

const PROCESS_EVENT =
  /^(exec|clone|fork|vfork|ptrace|set[ug]id|setres|capset|kill|procexit|prctl|unshare|setns)/;
const NETWORK_EVENT = /^(connect|accept|bind|listen|send|recv|socket)/;
const FILE_EVENT =
  /^(open|creat|unlink|rename|mkdir|rmdir|link|symlink|f?ch(mod|own)|mount|umount|move_mount|read|write)/;

/** Reads the facts of an alert; what it lacks is empty or undefined. */
export function readFacts(alert: StoredAlert): AlertFacts {
  const text = (name: string) => fieldText(alert, name);
  const target = text('fd.name');
  const tuple = readTuple(target);
  const type = text('evt.type');
  const container = text('container.id');
  return {
    event: { type, about: aboutOf(type, tuple !== undefined, target) },
    process: {
      name: text('proc.name'),
      pid: fieldInteger(alert, 'proc.pid'),
      executable: text('proc.exepath') || text('proc.exe'),
      commandLine: text('proc.cmdline'),
    },
    parent: {
      name: text('proc.pname'),
      pid: fieldInteger(alert, 'proc.ppid'),
      executable: text('proc.pexepath') || text('proc.pexe'),
      commandLine: text('proc.pcmdline'),
    },
    user: { name: text('user.name'), id: text('user.uid') },
    container: {
      id: container === 'host' ? '' : container,
      name: text('container.name') === 'host' ? '' : text('container.name'),
      image: text('container.image.repository') || text('container.image'),
      imageId: text('container.image.id') || text('container.image.digest'),
      tag: text('container.image.tag'),
    },
    pod: { name: text('k8s.pod.name'), namespace: text('k8s.ns.name') },
    file: target.startsWith('/') ? target : text('fs.path.name'),
    source: endpoint(alert, 'fd.cip', 'fd.cport') ?? tuple?.[0],
    destination: endpoint(alert, 'fd.sip', 'fd.sport') ?? tuple?.[1],
    transport: text('fd.l4proto').toLowerCase(),
    tactics: alert.tags
      .filter((tag) => /^mitre_[a-z_]+$/.test(tag))
      .map((tag) => tag.slice('mitre_'.length).replaceAll('_', ' '))
      .map((name) => name.replace(/\b(?!and\b)[a-z]/g, (letter) => letter.toUpperCase())),
    techniques: alert.tags.filter((tag) => /^T\d{4}(\.\d{3})?$/.test(tag)),
  };
}

function aboutOf(
  type: string,
  isConnection: boolean,
  target: string,
): AlertFacts['event']['about'] {
  if (NETWORK_EVENT.test(type)) return 'network';
  if (PROCESS_EVENT.test(type)) return 'process';
  if (FILE_EVENT.test(type)) return 'file';
  if (isConnection) return 'network';
  return target.startsWith('/') ? 'file' : 'other';
}

function endpoint(alert: StoredAlert, address: string, port: string): Endpoint | undefined {
  const ip = fieldText(alert, address);
  return isIP(ip) === 0 ? undefined : { ip, port: fieldInteger(alert, port) };
}

/** Falco writes a connection as `10.0.0.1:40000->10.0.0.2:443` (client, server). */
function readTuple(name: string): [Endpoint, Endpoint] | undefined {
  const sides = name.split('->');
  if (sides.length !== 2) return undefined;
  const [client, server] = sides.map(readSide);
  return client && server ? [client, server] : undefined;
}

function readSide(text: string): Endpoint | undefined {
  const { ip = '', port } = /^\[?(?<ip>.*?)\]?:(?<port>\d{1,5})$/.exec(text)?.groups ?? {};
  return isIP(ip) === 0 ? undefined : { ip, port: Number(port) };
}
