import type { ItemReader } from './item-reader.ts';
import { ENGINE_VERSION, isCompatible, PROVIDED_PLUGINS, parseVersion } from './version.ts';
import type { YamlNode } from './yaml-node.ts';

/** Checks `required_engine_version`: a number N means 0.N.0. */
export function checkEngineVersion(reader: ItemReader): void {
  const scalar = reader.scalar('required_engine_version');
  if (!scalar) return;
  const version = /^\d{1,9}$/.test(scalar.text) ? `0.${scalar.text}.0` : scalar.text;
  if (!parseVersion(version)) {
    reader.invalid(
      `Unable to parse engine version '${scalar.text}' as a semver string. Expected "x.y.z" semver format.`,
      scalar.location,
    );
  } else if (!isCompatible(ENGINE_VERSION, version)) {
    reader.error(
      'LOAD_ERR_VALIDATE',
      `Rules require engine version ${version}, but engine version is ${ENGINE_VERSION}`,
      scalar.location,
    );
  }
}

interface Requirement {
  readonly name: string;
  readonly version: string;
}

function readRequirement(
  reader: ItemReader,
  node: YamlNode,
  problem: string,
): Requirement | undefined {
  if (node.kind !== 'map') return reader.invalid(problem, node.location);
  const entry = reader.as({ type: 'required plugin versions entry', name: '' }, node);
  const name = entry.text('name');
  const version = entry.text('version');
  if (name === undefined || version === undefined) return undefined;
  if (parseVersion(version)) return { name, version };
  return entry.invalid(`Invalid required version '${version}' for plugin '${name}'`, node.location);
}

function readAlternatives(reader: ItemReader, node: YamlNode): Requirement[] {
  const first = readRequirement(reader, node, 'Plugin version must be a mapping');
  if (!first || node.kind !== 'map') return [];
  const found = [first];
  const list = node.entries.get('alternatives');
  if (!list) return found;
  if (list.kind !== 'sequence') {
    reader.invalid('Value of plugin version alternatives must be a sequence', list.location);
    return [];
  }
  for (const item of list.items) {
    const problem = 'Plugin version alternative must be a mapping';
    const alternative = readRequirement(reader, item, problem);
    if (!alternative) return [];
    if (found.some(({ name }) => name === alternative.name)) {
      reader.invalid(
        `Defined multiple alternative version requirements for plugin '${alternative.name}'`,
        item.location,
      );
    }
    found.push(alternative);
  }
  return found;
}

/** Checks `required_plugin_versions` against what the engine provides. */
export function checkPluginVersions(reader: ItemReader): void {
  const node = reader.get('required_plugin_versions');
  if (node?.kind !== 'sequence') {
    reader.invalid('Value of required_plugin_versions must be a sequence', node?.location);
    return;
  }
  for (const item of node.items) {
    const alternatives = readAlternatives(reader, item);
    const served = alternatives.some(({ name, version }) =>
      isCompatible(PROVIDED_PLUGINS.get(name) ?? '', version),
    );
    if (alternatives.length === 0 || served) continue;
    const wanted = alternatives.map(({ name, version }) => `${name} (>= ${version})`).join(', ');
    reader.error(
      'LOAD_ERR_VALIDATE',
      `Plugin requirement not satisfied, must load one of: ${wanted}`,
      item.location,
    );
  }
}
