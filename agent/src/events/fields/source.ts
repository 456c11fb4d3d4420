import type { Extractor, FieldReference, FieldSource } from '../../rules/field.ts';
import { eventName, isEventName } from '../event-name.ts';
import type { KernelEvent } from '../kernel-event.ts';
import { containerFields } from './container.ts';
import { type Binders, type FieldContext, NO_STATE } from './context.ts';
import { descriptorFields } from './descriptor.ts';
import { eventFields } from './event.ts';
import { eventTimeFields } from './event-time.ts';
import { kubernetesFields } from './kubernetes.ts';
import { mesosFields } from './mesos.ts';
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
  ...kubernetesFields,
  ...mesosFields,
]);

/** Gets field values out of kernel records. Fields that neither records nor state can supply are not bound. */
export function kernelEventSource(context: FieldContext): FieldSource<KernelEvent> {
  return {
    bind({ definition, argument }: FieldReference): Extractor<KernelEvent> | undefined {
      return binders.get(definition.name)?.(context, argument);
    },
    typeOf: eventName,
    hasType: isEventName,
  };
}

/** The same without a host behind it: tells which fields and types there can be, for commands that see no events. */
export const kernelEventFields: FieldSource<KernelEvent> = kernelEventSource(NO_STATE);
