/**
 * What a field is, and how the rule engine gets its value. The engine is generic in the event type `E`: live records, replayed
 * records and plain maps of fields (`tocsin rules eval`) are three sources behind one interface.
 */

/**
 * A byte string: each UTF-16 unit is one byte (latin1). Paths and arguments need not be UTF-8, and Falco compares bytes, so
 * nothing is decoded before it is shown. Convert with `Buffer.from(text, 'utf8').latin1Slice()` and back for output.
 */
export type ByteString = string;

/** An address in network order as a byte string: 4 bytes for IPv4, 16 for IPv6. Mapped IPv4 is IPv4. */
export type AddressBytes = ByteString;

/** A field's value. 64-bit integers are numbers while they are safe integers, else bigint. Missing is `undefined`. */
export type Value = ByteString | number | bigint | boolean | readonly Value[];

/** Falco's field types as far as operators tell them apart. */
export type FieldType =
  | 'string'
  | 'path'
  | 'bytes'
  | 'int'
  | 'uint'
  | 'double'
  | 'bool'
  | 'port'
  | 'address'
  | 'network'
  | 'abstime'
  | 'reltime'
  | 'flags'
  | 'mode';

export interface FieldDefinition {
  /** Falco's name, such as `proc.name`. */
  readonly name: string;
  readonly type: FieldType;
  readonly list?: boolean;
  /** Whether `field[arg]` is taken, and what the argument is; no argument is the default. */
  readonly argument?: {
    readonly required: boolean;
    readonly kind: 'index' | 'key' | 'index-or-key';
  };
  /** The field has no value of its own: usable in conditions only (`fd.ip`, `fd.net`). */
  readonly filterOnly?: boolean;
  /**
   * One event may have several values of the field, given as an array, and a check holds if it does for any of them. `ends`:
   * both ends of a connection, where `!=` must hold for each. `ancestors`: without an argument, every ancestor.
   */
  readonly many?: 'ends' | 'ancestors';
  /** Width of an integer, to which literals wrap and which two sides of a check must share; 64 by default. */
  readonly bits?: 16 | 32;
  readonly noTransformer?: boolean;
  /** May not stand on the right-hand side (`val(...)`). */
  readonly noRightSide?: boolean;
  /** How a number is shown, also in JSON, where it is text then: in hexadecimal digits, or with zeros up to nine digits. */
  readonly shownAs?: 'hexadecimal' | 'nanoseconds';
  /** Upstream marks it deprecated: accepted with a warning. */
  readonly deprecated?: boolean;
  /** Appended to every output by `suggested_output`. */
  readonly suggested?: boolean;
  /** One sentence for `tocsin fields`. */
  readonly description: string;
}

/** A field as written in a condition or an output template. */
export interface FieldReference {
  readonly definition: FieldDefinition;
  readonly argument?: ByteString;
}

/** Gets one value out of an event; `undefined` when the event has none. Pure, and called at most once per event and rule set. */
export type Extractor<E> = (event: E) => Value | undefined;

/** Where a kind of events gets its field values from. */
export interface FieldSource<E> {
  /** The extractor of a field, or `undefined` when this source can never supply it (rules that need it are blind). */
  bind(field: FieldReference): Extractor<E> | undefined;
  /** The event's `evt.type`, which chooses the rules that are tried. */
  typeOf(event: E): string;
  /** Whether events of a type can come from this source; without it all can. */
  hasType?(type: string): boolean;
}
