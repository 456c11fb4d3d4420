import { hostname } from 'node:os';
import type { Writable } from 'node:stream';
import type { Command } from 'commander';
import { interestOf } from '../engine/interest.ts';
import { LossWatch } from '../engine/loss-watch.ts';
import { RuleJudge } from '../engine/rule-judge.ts';
import { Session } from '../engine/session.ts';
import type { KernelEvent } from '../events/kernel-event.ts';
import { openLiveProbe, ProbeError } from '../probe/live.ts';
import { resolveCondition } from '../rules/compile-condition.ts';
import type { CompiledRule } from '../rules/compile-rules.ts';
import { ConditionError } from '../rules/language/condition-error.ts';
import { encodeJson } from '../rules/output/encode-json.ts';
import { CANNOT_RUN } from './context.ts';
import { terminalText } from './terminal-text.ts';

const WHO = '%evt.time %evt.type %user.name %proc.name(%proc.pid) %container.id';
const LINE = `${WHO} %evt.args`;
const EXEC_LINE = `${WHO} %evt.res %evt.arg.filename: %proc.cmdline parent=%proc.pname`;
const IS_EXEC = 'evt.type in (execve, execveat)';

/** Bytes that wait for a slow reader of the lines before more lines are dropped. */
const BUFFER_LIMIT = 4 * 1024 * 1024;

export interface TraceOptions {
  readonly condition?: string;
  readonly format?: string;
  readonly json?: boolean;
  readonly out: Writable;
  readonly err: Writable;
}

/** Adds `tocsin trace`, which shows live what a condition would match. */
export function registerTraceCommand(program: Command): void {
  program
    .command('trace')
    .description('Print live events that match a condition, like strace for the whole host.')
    .argument('[condition]', 'condition of the rule language, such as evt.type=execve')
    .option('-p, --print <format>', 'output format, such as "%proc.name %fd.name"')
    .option('--json', 'print one JSON object a line')
    .action(async (condition: string | undefined, flags: { print?: string; json?: boolean }) => {
      const trace = new Trace({
        ...(condition !== undefined && { condition }),
        ...(flags.print !== undefined && { format: flags.print }),
        ...(flags.json !== undefined && { json: flags.json }),
        out: process.stdout,
        err: process.stderr,
      });
      try {
        await trace.start();
      } catch (error) {
        process.stderr.write(`tocsin trace: ${(error as Error).message}\n`);
        process.exitCode = error instanceof ProbeError ? CANNOT_RUN : 1;
        return;
      }
      const end = interrupted();
      process.stderr.write('ready\n');
      await end;
      trace.stop();
    });
}

/** A wrong condition is told as it was given, and not as part of the rules that are made of it. */
function checkCondition(condition: string): void {
  try {
    resolveCondition(condition);
  } catch (error) {
    if (!(error instanceof ConditionError)) throw error;
    throw new Error(
      `the condition is wrong at character ${error.offset + 1}: ${terminalText(error.message)}`,
    );
  }
}

function interrupted(): Promise<void> {
  return new Promise((resolve) => {
    process.once('SIGINT', resolve);
    process.once('SIGTERM', resolve);
    // Nobody reads any more, as with `head`.
    process.stdout.once('error', () => resolve());
  });
}

/** Prints matching events until it is stopped, then what was lost. */
export class Trace {
  readonly #options: TraceOptions;
  readonly #session: Session;
  readonly #losses: LossWatch;
  #printed = 0;
  #skipped = 0;
  #lines: string[] = [];

  constructor(options: TraceOptions) {
    this.#options = options;
    this.#session = new Session({
      hostname: hostname(),
      onTurn: () => this.#flush(),
      onSecond: () => {},
    });
    this.#losses = new LossWatch({ hostname: hostname() });
  }

  /** Opens the probe. Throws when the condition is wrong or the probe cannot run. */
  async start(): Promise<void> {
    const judge = this.#compile();
    await this.#session.domains.use(judge.compiled.domains);
    const interest = interestOf(judge.compiled);
    this.#session.start(
      openLiveProbe(interest, { mutedProcesses: [process.pid] }),
      judge,
      interest,
    );
  }

  /** Ends, and tells what was printed and lost. */
  stop(): void {
    this.#session.stop();
    this.#flush();
    const { kernel, pipeline } = this.#session.counters();
    const { total } = this.#losses.observe(kernel);
    const lost = total + this.#skipped;
    this.#options.err.write(
      `${this.#printed} events printed, ${pipeline.records ?? 0} records read, ${lost} lost` +
        `${lost === 0 ? '' : ` (${total} in the kernel, ${this.#skipped} because the output was slow)`}\n`,
    );
  }

  #compile(): RuleJudge {
    const { condition = 'evt.num > 0', format } = this.#options;
    checkCondition(condition);
    return this.#compileRules(
      format === undefined
        ? [
            [`${IS_EXEC} and (${condition})`, EXEC_LINE],
            [condition, LINE],
          ]
        : [[condition, format]],
    );
  }

  /** Compiles conditions with the line each prints; the first that matches an event counts. */
  #compileRules(lines: readonly (readonly [string, string])[]): RuleJudge {
    const rules = lines.map(([condition, output], i) => ({
      rule: `line ${i + 1}`,
      desc: 'printed by trace',
      condition,
      output,
      priority: 'NOTICE',
    }));
    const { source, domains } = this.#session;
    return RuleJudge.compile(
      { files: [{ name: 'condition', content: JSON.stringify(rules) }], matching: 'first' },
      source,
      domains.addressesOf,
      (compiled, event) => this.#print(compiled, event),
    );
  }

  #print(rule: CompiledRule<KernelEvent>, event: KernelEvent): void {
    if (this.#options.out.writableLength > BUFFER_LIMIT) {
      this.#skipped++;
      return;
    }
    const { output, outputFields } = rule.render(event);
    this.#printed++;
    this.#lines.push(this.#options.json ? encodeJson(outputFields) : terminalText(output));
  }

  #flush(): void {
    if (this.#lines.length === 0) return;
    this.#options.out.write(`${this.#lines.join('\n')}\n`);
    this.#lines = [];
  }
}
