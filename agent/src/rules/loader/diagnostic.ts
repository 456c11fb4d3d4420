export type ErrorCode =
  | 'LOAD_ERR_FILE_READ'
  | 'LOAD_ERR_YAML_PARSE'
  | 'LOAD_ERR_YAML_VALIDATE'
  | 'LOAD_ERR_COMPILE_CONDITION'
  | 'LOAD_ERR_COMPILE_OUTPUT'
  | 'LOAD_ERR_VALIDATE';

export type WarningCode =
  | 'LOAD_UNKNOWN_SOURCE'
  | 'LOAD_NO_EVTTYPE'
  | 'LOAD_UNKNOWN_FILTER'
  | 'LOAD_UNUSED_MACRO'
  | 'LOAD_UNUSED_LIST'
  | 'LOAD_UNKNOWN_ITEM'
  | 'LOAD_DEPRECATED_ITEM'
  | 'LOAD_APPEND_NO_VALUES'
  | 'LOAD_EXCEPTION_NAME_NOT_UNIQUE'
  | 'LOAD_INVALID_MACRO_NAME'
  | 'LOAD_INVALID_LIST_NAME'
  | 'LOAD_COMPILE_CONDITION'
  | 'LOAD_UNKNOWN_KEY';

/** A place in a rules file; line and column count from 1. */
export interface Location {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** What a problem is about: the kind of item and, if it has one, its name. */
export interface Subject {
  readonly type: string;
  readonly name: string;
}

/** One problem of a rules file. */
export interface Diagnostic extends Location {
  readonly code: ErrorCode | WarningCode;
  readonly message: string;
  readonly itemType: string;
  /** Name of the item, empty if it has none. */
  readonly item: string;
}

/** What came of one file. */
export interface FileResult {
  readonly name: string;
  readonly ok: boolean;
  readonly errors: readonly Diagnostic[];
  readonly warnings: readonly Diagnostic[];
}

/** Gathers problems by file; the same problem found again while later files load is kept once. */
export class Diagnostics {
  private readonly files = new Map<string, { errors: Diagnostic[]; warnings: Diagnostic[] }>();
  private readonly seen = new Set<string>();

  /** Files are reported in the order in which they are opened here. */
  open(file: string): void {
    if (!this.files.has(file)) this.files.set(file, { errors: [], warnings: [] });
  }

  error(code: ErrorCode, message: string, subject: Subject, at: Location): void {
    this.add('errors', { code, message, itemType: subject.type, item: subject.name, ...place(at) });
  }

  warning(code: WarningCode, message: string, subject: Subject, at: Location): void {
    this.add('warnings', {
      code,
      message,
      itemType: subject.type,
      item: subject.name,
      ...place(at),
    });
  }

  private add(kind: 'errors' | 'warnings', diagnostic: Diagnostic): void {
    const key = JSON.stringify(diagnostic);
    if (this.seen.has(key)) return;
    this.seen.add(key);
    this.open(diagnostic.file);
    this.files.get(diagnostic.file)?.[kind].push(diagnostic);
  }

  get failed(): boolean {
    return [...this.files.values()].some(({ errors }) => errors.length > 0);
  }

  results(): FileResult[] {
    return [...this.files].map(([name, { errors, warnings }]) => ({
      name,
      ok: errors.length === 0,
      errors,
      warnings,
    }));
  }
}

function place({ file, line, column }: Location): Location {
  return { file, line, column };
}
