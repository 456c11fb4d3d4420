import type { Extractor, FieldReference, FieldSource } from '../../rules/field.ts';
import { eventName } from '../event-name.ts';
import type { KernelEvent } from '../kernel-event.ts';
import { containerFields } from './container.ts';
import type { Binders, FieldContext } from './context.ts';
import { descriptorFields } from './descriptor.ts';
import { eventFields } from './event.ts';
import { eventTimeFields } from './event-time.ts';
import { pathFields } from './paths.ts';
import { processFields } from './process.ts';
import { userFields } from './user.ts';

const binders: Binders = new Map([
  ...eventFields,
  ...eventTimeFields,
  ...processFields,
  ...userFields,
  ...descriptorFields,
  ...pathFields,
  ...containerFields,
]);

/** Gets field values out of kernel records. Fields that neither records nor state can supply are not bound. */
export function kernelEventSource(context: FieldContext): FieldSource<KernelEvent> {
  return {
    bind({ definition, argument }: FieldReference): Extractor<KernelEvent> | undefined {
      return binders.get(definition.name)?.(context, argument);
    },
    typeOf: eventName,
  };
}

/** The same without any state behind it: tells which fields there are, for tools that see no events. */
export const bareSource: FieldSource<KernelEvent> = kernelEventSource({
  bootEpoch: () => 0n,
  hostname: '',
  accounts: { user: () => undefined, group: () => undefined },
  processes: new Map(),
  capabilities: () => undefined,
  domainOf: () => undefined,
});
