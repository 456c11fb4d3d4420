import type { ByteString } from '../field.ts';

/** One option met, in order; `?` stands for an unknown one. */
interface Option {
  readonly letter: string;
  readonly value?: ByteString;
  /** It takes a value and none came. */
  readonly missing?: boolean;
}

/** The options of one cluster such as `-abvalue`; `next` is the word that follows it. */
function cluster(
  word: ByteString,
  known: ByteString,
  next: ByteString | undefined,
): { options: Option[]; tookNext: boolean } {
  const options: Option[] = [];
  for (let at = 1; at < word.length; at++) {
    const letter = word.charAt(at);
    const place = letter === ':' ? -1 : known.indexOf(letter);
    if (place < 0) options.push({ letter: '?' });
    else if (known.charAt(place + 1) !== ':') options.push({ letter });
    else {
      const rest = word.slice(at + 1);
      if (rest !== '') options.push({ letter, value: rest });
      else options.push({ letter, value: next ?? '', missing: next === undefined });
      return { options, tookNext: rest === '' };
    }
  }
  return { options, tookNext: false };
}

/** Walks short options as getopt(3) does: stops at `--`, `-`, an empty string or the first other word. */
function walk(argv: readonly ByteString[], specification: ByteString): Option[] {
  const known = specification.startsWith(':') ? specification.slice(1) : specification;
  const found: Option[] = [];
  for (let index = 0; index < argv.length; index++) {
    const word = argv[index] ?? '';
    if (word === '--' || word === '-' || !word.startsWith('-')) break;
    if (word.startsWith('--')) continue;
    const { options, tookNext } = cluster(word, known, argv[index + 1]);
    found.push(...options);
    if (tookNext) index += 1;
  }
  return found;
}

/** All options met: a letter each, followed by its value if it takes one; a missing value is a single empty element. */
export function getoptList(argv: readonly ByteString[], specification: ByteString): ByteString[] {
  const found: ByteString[] = [];
  for (const option of walk(argv, specification)) {
    if (option.missing) found.push('');
    else if (option.value === undefined) found.push(option.letter);
    else found.push(option.letter, option.value);
  }
  return found;
}

/** The value of one option, the last one met; its letter if it takes none; nothing if it is absent. */
export function getoptValue(
  argv: readonly ByteString[],
  specification: ByteString,
  letter: string,
): ByteString | undefined {
  let found: ByteString | undefined;
  for (const option of walk(argv, specification)) {
    if (option.letter === letter && letter !== '?') found = option.value ?? option.letter;
  }
  return found;
}
