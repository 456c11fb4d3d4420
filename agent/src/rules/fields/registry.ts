import type { ByteString, FieldDefinition, FieldReference } from '../field.ts';
import { closest } from '../suggestion.ts';
import { CONTAINER_FIELDS, KUBERNETES_FIELDS } from './container.ts';
import { parameterType } from './event-arguments.ts';
import { EVENT_FIELDS } from './evt.ts';
import { FD_FIELDS, FS_FIELDS } from './fd.ts';
import { PROCESS_FIELDS } from './proc.ts';
import { MESOS_FIELDS, THREAD_FIELDS, USER_FIELDS } from './thread.ts';

/** Every field of the syscall source, in the order of the reference. */
export const FIELD_DEFINITIONS: readonly FieldDefinition[] = [
  ...EVENT_FIELDS,
  ...PROCESS_FIELDS,
  ...THREAD_FIELDS,
  ...USER_FIELDS,
  ...FD_FIELDS,
  ...FS_FIELDS,
  ...CONTAINER_FIELDS,
  ...KUBERNETES_FIELDS,
  ...MESOS_FIELDS,
];

/** Fields that also take their argument after a dot: `evt.arg.flags`. */
const DOTTED: ReadonlySet<string> = new Set([
  'evt.abspath',
  'evt.arg',
  'evt.rawarg',
  'evt.type.is',
  'thread.cgroup',
]);

/** A field that does not exist or is written with a wrong argument. */
export class FieldError extends Error {
  override name = 'FieldError';
  /** Whether the field is unknown, which `skip-if-unknown-filter` forgives. */
  readonly unknown: boolean;

  constructor(message: string, unknown = false) {
    super(message);
    this.unknown = unknown;
  }
}

/** The fields that conditions and outputs may name. */
export class FieldRegistry {
  private readonly byName: ReadonlyMap<string, FieldDefinition>;

  /** `extra` holds fields of the configuration, such as `static.*`. */
  constructor(extra: readonly FieldDefinition[] = []) {
    this.byName = new Map(
      [...FIELD_DEFINITIONS, ...extra].map((definition) => [definition.name, definition]),
    );
  }

  get definitions(): readonly FieldDefinition[] {
    return [...this.byName.values()];
  }

  get(name: string): FieldDefinition | undefined {
    return this.byName.get(name);
  }

  /** Resolves a field as it is written. Throws `FieldError`. */
  resolve(name: ByteString, argument: ByteString | undefined): FieldReference {
    const definition = this.byName.get(name);
    if (definition) return this.withArgument(definition, argument);
    const dotted = this.dotted(name);
    if (dotted && argument === undefined) return dotted;
    throw new FieldError(
      `filter_check called with nonexistent field ${name}${this.suggestion(name)}`,
      true,
    );
  }

  /** Whether a text reads as a field; without the cost of saying why not. */
  has(name: ByteString, argument: ByteString | undefined): boolean {
    if (!this.byName.has(name) && !this.dotted(name)) return false;
    try {
      this.resolve(name, argument);
      return true;
    } catch (error) {
      if (error instanceof FieldError) return false;
      throw error;
    }
  }

  /** A hint for a field name that is not known. */
  suggestion(name: string): string {
    return closest(name, this.byName.keys());
  }

  private dotted(name: string): FieldReference | undefined {
    for (const prefix of DOTTED) {
      const definition = this.byName.get(prefix);
      if (!definition || !name.startsWith(`${prefix}.`)) continue;
      return typed({ definition, argument: name.slice(prefix.length + 1) });
    }
    return undefined;
  }

  private withArgument(
    definition: FieldDefinition,
    argument: ByteString | undefined,
  ): FieldReference {
    const { name, argument: allowed } = definition;
    if (argument === undefined) {
      if (allowed?.required) throw new FieldError(`field '${name}' requires an argument`);
      return { definition };
    }
    if (!allowed) throw new FieldError(`field '${name}' does not support arguments`);
    if (allowed.kind === 'index' && !/^\d{1,9}$/.test(argument)) {
      throw new FieldError(`field '${name}' requires an index argument, not '${argument}'`);
    }
    return typed({ definition, argument });
  }
}

/** Parameters have types of their own. */
function typed(reference: FieldReference & { argument: ByteString }): FieldReference {
  if (reference.definition.name !== 'evt.rawarg') return reference;
  const type = parameterType(reference.argument);
  if (!type) throw new FieldError(`unknown event argument ${reference.argument}`);
  return { ...reference, definition: { ...reference.definition, type } };
}
