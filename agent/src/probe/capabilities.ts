import { probeCapabilities } from '@tocsin/native';

/** What this machine lacks to watch kernel events and how to get it, a line each; undefined when nothing is missing. */
export function describeMissing(): string | undefined {
  const { ok, problems } = probeCapabilities();
  if (ok) return undefined;
  return problems.map(({ what, remedy }) => `  ${what}; ${remedy}`).join('\n');
}
