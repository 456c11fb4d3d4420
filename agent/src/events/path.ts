import type { ByteString } from '../rules/field.ts';

/** Falco's limit, and what it shows instead of longer paths. */
const LIMIT = 1024;
const TOO_LONG = '/DIR_TOO_LONG/FILENAME_TOO_LONG';

/** Nothing to fold: no empty, `.` or `..` component and no slash at the end. */
const UNFOLDED = /\/\/|\/\.\.?(?:\/|$)|.\/$/s;

/** The absolute path without `.`, `..`, doubled slashes and a trailing slash, decided by the letters alone. */
export function fold(path: ByteString): ByteString {
  if (UNFOLDED.test(path)) path = foldComponents(path);
  return path.length > LIMIT ? TOO_LONG : path;
}

function foldComponents(path: ByteString): ByteString {
  const kept: ByteString[] = [];
  for (const component of path.split('/')) {
    if (component === '..') kept.pop();
    else if (component !== '' && component !== '.') kept.push(component);
  }
  return `/${kept.join('/')}`;
}

/** The absolute folded form of a path as given, from the directory it starts from; unknown directories stay visible. */
export function absolute(path: ByteString, base: ByteString): ByteString {
  if (path.startsWith('/')) return fold(path);
  if (base.startsWith('/')) return fold(`${base}/${path}`);
  return `<UNKNOWN>${path}`;
}

/** The path as given, only without doubled slashes. */
export function withoutDoubledSlashes(path: ByteString): ByteString {
  return path.includes('//') ? path.replace(/\/{2,}/g, '/') : path;
}

/** What comes before the last slash; `/` for the root, its entries and what has no slash. */
export function directoryOf(path: ByteString): ByteString {
  const slash = path.lastIndexOf('/');
  return slash <= 0 ? '/' : path.slice(0, slash);
}

/** What comes after the last slash; the root is its own. */
export function baseName(path: ByteString): ByteString {
  return path === '/' ? path : path.slice(path.lastIndexOf('/') + 1);
}
