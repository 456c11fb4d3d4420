import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseAllDocuments,
  type YAMLMap,
} from 'yaml';
import { LIMITS } from '../limits.ts';
import type { Location } from './diagnostic.ts';

interface Placed {
  readonly location: Location;
  /** Offsets of the node in the text of the file. */
  readonly start: number;
  readonly end: number;
}

/** A scalar as the raw text it is written with, whatever it looks like. */
export interface YamlScalar extends Placed {
  readonly kind: 'scalar';
  readonly text: string;
  /** Nothing was written, or a plain `null` or `~`. */
  readonly isNull: boolean;
}

export interface YamlSequence extends Placed {
  readonly kind: 'sequence';
  readonly items: readonly YamlNode[];
}

export interface YamlMap extends Placed {
  readonly kind: 'map';
  /** Of a key that is written twice, the first counts. */
  readonly entries: ReadonlyMap<string, YamlNode>;
}

export type YamlNode = YamlScalar | YamlSequence | YamlMap;

/** A file that is not YAML, or breaks a limit. */
export class YamlError extends Error {
  override name = 'YamlError';
  readonly location: Location;
  readonly isLimit: boolean;

  constructor(message: string, location: Location, isLimit = false) {
    super(message);
    this.location = location;
    this.isLimit = isLimit;
  }
}

/** A file's text, its top-level nodes and the way from offsets to places. */
export interface YamlFile {
  readonly name: string;
  readonly content: string;
  readonly documents: readonly YamlNode[];
  readonly errors: readonly YamlError[];
  locate(offset: number): Location;
}

const NULLS: ReadonlySet<string> = new Set(['', '~', 'null', 'Null', 'NULL']);

class NodeReader {
  private readonly locate: (offset: number) => Location;
  private budget: number = LIMITS.nodes;
  /** Nodes by anchor; the last one met counts. The library would search the document for each alias. */
  private readonly anchors = new Map<string, Node>();

  constructor(locate: (offset: number) => Location) {
    this.locate = locate;
  }

  readDocument(document: Document): YamlNode {
    this.anchors.clear();
    return this.read(document.contents, 0, 0);
  }

  private read(node: Node | null | undefined, depth: number, at: number): YamlNode {
    const [start, end] = node?.range ?? [at, at];
    const placed = { location: this.locate(start), start, end };
    this.budget -= 1;
    if (this.budget < 0) throw this.tooLarge(`more than ${LIMITS.nodes} values`, start);
    if (depth > LIMITS.nodeDepth) {
      throw this.tooLarge(`more than ${LIMITS.nodeDepth} levels of nesting`, start);
    }
    if (isAlias(node)) {
      const target = this.anchors.get(node.source);
      if (!target) throw new YamlError(`unknown alias ${node.source}`, placed.location);
      return this.read(target, depth + 1, start);
    }
    if (node && 'anchor' in node && node.anchor !== undefined) this.anchors.set(node.anchor, node);
    if (isSeq(node)) {
      const items = node.items.map((item) => this.read(item as Node | null, depth + 1, start));
      return { kind: 'sequence', items, ...placed };
    }
    if (isMap(node)) return { kind: 'map', entries: this.entries(node, depth), ...placed };
    if (isScalar(node)) {
      const text = String(node.value ?? '');
      const isNull = node.type === 'PLAIN' && NULLS.has(text);
      return { kind: 'scalar', text, isNull, ...placed };
    }
    return { kind: 'scalar', text: '', isNull: true, ...placed };
  }

  private entries(map: YAMLMap, depth: number): Map<string, YamlNode> {
    const start = map.range?.[0] ?? 0;
    const entries = new Map<string, YamlNode>();
    for (const { key, value } of map.items) {
      const name = isScalar(key) ? String(key.value) : '';
      const keyAt = (key as Node | null)?.range?.[0] ?? start;
      const child = this.read(value as Node | null, depth + 1, keyAt);
      if (!entries.has(name)) entries.set(name, child);
    }
    return entries;
  }

  private tooLarge(what: string, at: number): YamlError {
    return new YamlError(`The file expands to ${what}`, this.locate(at), true);
  }
}

const BYTE_ORDER_MARK = /^\ufeff/;

/** What the parser says of a document, without the errors that only follow from an earlier one. */
function errorsOf(document: Document, locate: (offset: number) => Location): YamlError[] {
  const errors: YamlError[] = [];
  for (const { message, pos } of document.errors) {
    if (message.includes('call stack')) {
      const deep = `The file has more than ${LIMITS.nodeDepth} levels of nesting`;
      return [new YamlError(deep, locate(pos[0]), true)];
    }
    if (errors.length === 0 || !message.startsWith('Unexpected ')) {
      errors.push(new YamlError(message, locate(pos[0])));
    }
  }
  return errors;
}

/** Reads a YAML stream. Every scalar stays text: `010`, `no` and `1.10` must not turn into other values. */
export function readYaml(name: string, text: string): YamlFile {
  const content = text.replace(BYTE_ORDER_MARK, '');
  const lines = new LineCounter();
  const locate = (offset: number): Location => {
    const { line, col } = lines.linePos(offset);
    return { file: name, line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  if (content.length > LIMITS.fileLength) {
    const message = `The file is longer than ${LIMITS.fileLength} characters`;
    const error = new YamlError(message, { file: name, line: 1, column: 1 }, true);
    return { name, content, documents: [], errors: [error], locate };
  }
  const parsed = parseAllDocuments(content, {
    schema: 'failsafe',
    lineCounter: lines,
    uniqueKeys: false,
    stringKeys: false,
    prettyErrors: false,
    logLevel: 'silent',
  });
  const documents: YamlNode[] = [];
  const errors: YamlError[] = [];
  const reader = new NodeReader(locate);
  for (const document of Array.isArray(parsed) ? parsed : []) {
    errors.push(...errorsOf(document as Document, locate));
    if (document.errors.length > 0) continue;
    try {
      documents.push(reader.readDocument(document as Document));
    } catch (error) {
      if (!(error instanceof YamlError)) throw error;
      errors.push(error);
    }
  }
  return { name, content, documents, errors, locate };
}
