import type { FieldContext } from '../../src/events/fields/context.ts';
import { kernelEventSource } from '../../src/events/fields/source.ts';
import type { KernelEvent } from '../../src/events/kernel-event.ts';
import type { Value } from '../../src/rules/field.ts';
import { ProcessTree } from '../../src/state/process-tree.ts';

/** A tree that never looks into /proc. */
export function quietTree(options: ConstructorParameters<typeof ProcessTree>[0] = {}): ProcessTree {
  return new ProcessTree({ read: () => undefined, list: () => [], ...options });
}

export function contextOf(tree: ProcessTree = quietTree()): FieldContext {
  return {
    bootEpoch: () => 1_700_000_000_000_000_000n,
    hostname: 'host-1',
    accounts: {
      user: (uid) =>
        uid === 1000 ? { name: 'bob', home: '/home/bob', shell: '/bin/sh' } : undefined,
      group: (gid) => (gid === 1000 ? 'staff' : undefined),
    },
    processes: tree,
    cgroupsOf: () => new Map(),
    domainOf: () => undefined,
  };
}

/** A field as a rule writes it: `proc.name`, `proc.aname[2]`, `evt.arg.flags`. */
export function get(
  event: KernelEvent,
  field: string,
  tree?: ProcessTree,
  more: Partial<FieldContext> = {},
): Value | undefined {
  const [, name = field, argument] = /^(evt\.arg|evt\.rawarg)\.(.+)$/.exec(field) ??
    /^([^[]+)\[(.*)\]$/.exec(field) ?? [field, field];
  const definition = { name, type: 'string', description: '' } as const;
  const extract = kernelEventSource({ ...contextOf(tree), ...more }).bind(
    argument === undefined ? { definition } : { definition, argument },
  );
  if (extract === undefined) throw new Error(`${field} is not bound`);
  return extract(event);
}
