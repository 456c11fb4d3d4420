import { readFileSync } from 'node:fs';
import { probeCapabilities } from '@tocsin/native';
import type { Alert } from '@tocsin/openapi';
import { type Engine, type EngineOptions, startEngine } from '../../src/engine/engine.ts';

/** Why live tests cannot run here, or false. */
export const skipLive: string | false = (() => {
  const { ok, problems } = probeCapabilities();
  return ok ? false : problems.map(({ what, remedy }) => `${what} (${remedy})`).join('; ');
})();

/** A running engine with the alerts it gave so far. */
export class LiveEngine {
  readonly engine: Engine;
  readonly alerts: Alert[] = [];
  readonly #waiting = new Set<() => void>();

  constructor(rules: string, options: Partial<EngineOptions> = {}) {
    this.engine = startEngine({
      files: [{ name: 'test.yaml', content: rules }],
      matching: 'all',
      hostname: 'live',
      // A starved machine is not what these tests are about.
      patienceMs: 30_000,
      ...options,
      onAlerts: (alerts) => {
        this.alerts.push(...alerts);
        for (const look of this.#waiting) look();
      },
    });
  }

  /** The first alert of a rule whose output fits, waiting for it at most a minute. */
  until(
    rule: string,
    fits: (fields: Alert['output_fields'], alert: Alert) => boolean,
  ): Promise<Alert> {
    const find = () =>
      this.alerts.find((alert) => alert.rule === rule && fits(alert.output_fields, alert));
    return new Promise((resolve, reject) => {
      const end = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(look);
      };
      const look = (): void => {
        const alert = find();
        if (alert === undefined) return;
        end();
        resolve(alert);
      };
      const timer = setTimeout(() => {
        end();
        const seen = this.alerts.map(({ output }) => output).join('\n');
        reject(new Error(`no such alert of '${rule}' among:\n${seen}`));
      }, 60_000);
      this.#waiting.add(look);
      look();
    });
  }
}

/** A rule as YAML that shows fields, given as a list. */
export function ruleOf(name: string, condition: string, fields: readonly string[]): string {
  return `- rule: ${name}
  desc: live test
  condition: ${JSON.stringify(condition)}
  output: ${JSON.stringify(fields.map((field) => `%${field}`).join(' | '))}
  priority: WARNING
`;
}

/** The kernel's name of this very process. */
export const ownName = readFileSync('/proc/self/comm', 'latin1').trim();
