import { type Complaint, type Config, escapePointer, parsePriority } from '@tocsin/openapi';
import type { RuleSettings } from '../engine/rule-judge.ts';
import { ConditionResolver } from '../rules/condition/resolve.ts';
import { FieldRegistry } from '../rules/fields/registry.ts';
import type { RulesFile } from '../rules/load-rules.ts';
import { type AppendOutput, SUGGESTED_FIELDS } from '../rules/loader/append-output.ts';
import type { Selection } from '../rules/loader/rule-set.ts';
import { parseTemplate, TemplateError } from '../rules/output/template.ts';
import { STATIC_FIELD_NAME, staticDefinitions } from '../rules/static-fields.ts';
import { parseEndpoint } from '../telemetry/metrics-server.ts';

type AgentConfig = Config['agent'];
type AppendEntry = AgentConfig['append_output'][number];

/** One event of so many shows what each rule costs, when there are metrics to tell it. */
const MEASURE_ONE_OF = 4096;

/** Rule files and how they are taken, as the engine wants them. */
export function ruleSettingsOf(agent: AgentConfig, files: readonly RulesFile[]): RuleSettings {
  return {
    files,
    matching: agent.rule_matching,
    minimumPriority: parsePriority(agent.priority),
    followsLinks: agent.follow_links,
    selection: agent.rule_selection.map(selectionOf),
    // Falco's rules leave the container to its default configuration, and alerts are told apart by it.
    appendOutput: [{ extraFields: SUGGESTED_FIELDS }, ...agent.append_output.map(appendOutputOf)],
    staticFields: agent.static_fields,
    ...(agent.metrics !== undefined && { measureOneOf: MEASURE_ONE_OF }),
  };
}

function selectionOf({ enable, disable }: AgentConfig['rule_selection'][number]): Selection {
  return enable ? { action: 'enable', ...enable } : { action: 'disable', ...disable };
}

function appendOutputOf(entry: AppendEntry): AppendOutput {
  const { match, extra_output, extra_fields, suggested_output } = entry;
  return {
    ...(match && { match }),
    ...(extra_output !== undefined && { extraOutput: extra_output }),
    ...(extra_fields && {
      extraFields: extra_fields.flatMap<string | { key: string; format: string }>((field) =>
        typeof field === 'string'
          ? [field]
          : Object.entries(field).map(([key, format]) => ({ key, format })),
      ),
    }),
    ...(suggested_output !== undefined && { suggestedOutput: suggested_output }),
  };
}

/** What is wrong with the settings of the agent beyond their shape. */
export function checkAgentSettings({ agent }: Config): Complaint[] {
  const problems: Complaint[] = [];
  const { metrics, static_fields, append_output } = agent;
  if (metrics !== undefined && !parseEndpoint(metrics)) {
    const message = `agent.metrics must be host:port such as 127.0.0.1:9477, got '${metrics}'`;
    problems.push({ pointer: '/agent/metrics', message });
  }
  for (const name of Object.keys(static_fields)) {
    if (STATIC_FIELD_NAME.test(name)) continue;
    const pointer = `/agent/static_fields/${escapePointer(name)}`;
    const message = `'${name}' cannot be the name of a field: letters, digits, _ and dots only`;
    problems.push({ pointer, message });
  }
  const resolver = new ConditionResolver(new FieldRegistry(staticDefinitions(static_fields)));
  for (const [index, entry] of append_output.entries())
    problems.push(...checkAppended(entry, `/agent/append_output/${index}`, resolver));
  return problems;
}

function checkAppended(
  { extra_output, extra_fields = [] }: AppendEntry,
  pointer: string,
  resolver: ConditionResolver,
): Complaint[] {
  const problems: Complaint[] = [];
  const problem = (at: string, message: string | undefined) => {
    if (message !== undefined) problems.push({ pointer: `${pointer}/${at}`, message });
  };
  if (extra_output !== undefined) problem('extra_output', templateProblem(extra_output, resolver));
  const keys = new Set<string>();
  for (const [index, field] of extra_fields.entries()) {
    const named = typeof field === 'string' ? [[field, `%${field}`]] : Object.entries(field);
    for (const [key, template] of named as [string, string][]) {
      const at = `extra_fields/${index}${typeof field === 'string' ? '' : `/${escapePointer(key)}`}`;
      if (keys.has(key)) problem(at, `'${key}' is there twice`);
      else problem(at, templateProblem(template, resolver, typeof field === 'string'));
      keys.add(key);
    }
  }
  return problems;
}

/** Why a text cannot be an output; `alone` when it must be one field and nothing else. */
function templateProblem(
  text: string,
  resolver: ConditionResolver,
  alone = false,
): string | undefined {
  try {
    const parts = parseTemplate(text, resolver);
    const isAlone = parts.length === 1 && typeof parts[0] !== 'string';
    return alone && !isAlone ? `'${text.slice(1)}' is not a field` : undefined;
  } catch (error) {
    if (error instanceof TemplateError) return error.message;
    throw error;
  }
}
