/** What a Mesos task and the Marathon application behind it say of themselves: in their environment, and in labels of Docker. */
import type { ByteString } from '../../rules/field.ts';
import type { Process } from '../../state/process.ts';
import type { KernelEvent } from '../kernel-event.ts';
import { type Binder, plain } from './context.ts';
import { labelText } from './labels.ts';

const ANCESTORS = 64;
/** As Marathon, Chronos and other frameworks name it. */
const TASK_ID = ['MESOS_TASK_ID', 'mesos_task_id', 'MESOS_EXECUTOR_ID'];
const APP_LABEL = 'MARATHON_APP_LABEL_';

type Pairs = readonly ByteString[];

/** The variables its container was made with. Without a runtime that tells, those of the first process of the task: later ones choose their own. */
function environmentOf({ container, process }: KernelEvent): Pairs {
  if (container.isHost) return [];
  const told = container.facts?.environment;
  if (told !== undefined) return told;
  let first: Process = process;
  let found: ByteString = '';
  for (let level = 0; level < ANCESTORS; level++) {
    if (/(?:^|\0)(?:mesos_|marathon_)/i.test(first.environment)) found = first.environment;
    const parent = first.parentNow();
    if (parent === undefined || parent.cgroup !== process.cgroup) break;
    first = parent;
  }
  return found.split('\0');
}

function variable(pairs: Pairs, key: ByteString): ByteString | undefined {
  return pairs.find((pair) => pair.startsWith(`${key}=`))?.slice(key.length + 1);
}

function taskId(event: KernelEvent): ByteString | undefined {
  const pairs = environmentOf(event);
  const named = TASK_ID.map((key) => variable(pairs, key));
  return [...named, event.container.facts?.labels?.get('MESOS_TASK_ID')].find(
    (id) => id !== undefined && id.length >= 3 && /[._]/.test(id),
  );
}

function appId(event: KernelEvent): ByteString | undefined {
  return variable(environmentOf(event), 'MARATHON_APP_ID');
}

/** Marathon names the task of `/web/front` `front.web`, and its id ends with a number of its own. */
function taskName(event: KernelEvent): ByteString | undefined {
  const id = taskId(event);
  if (id === undefined) return undefined;
  const app = appId(event);
  return app === undefined
    ? id.replace(/\.[^.]*$/, '')
    : app.split('/').filter(Boolean).reverse().join('.');
}

/** Labels by their names in lower case: Marathon tells them as variables. */
function labelsOf(event: KernelEvent): ReadonlyMap<ByteString, ByteString> | undefined {
  if (taskId(event) === undefined && appId(event) === undefined) return undefined;
  return new Map(
    environmentOf(event)
      .filter((pair) => pair.startsWith(APP_LABEL) && pair.includes('='))
      .map((pair) => {
        const at = pair.indexOf('=');
        return [pair.slice(APP_LABEL.length, at).toLowerCase(), pair.slice(at + 1)];
      }),
  );
}

const label: Binder = (_context, key) => {
  if (key === undefined) return (event) => labelText(labelsOf(event));
  const name = key.toLowerCase().replace(/[^a-z0-9]/g, '_');
  return (event) => labelsOf(event)?.get(name);
};

const nameIn = (id: ByteString | undefined): ByteString | undefined =>
  id?.slice(id.lastIndexOf('/') + 1);
/** The group of `/web/front` is `/web`, that of `/front` the root `/`. */
const groupOf = (id: ByteString | undefined): ByteString | undefined =>
  id && (id.slice(0, Math.max(id.lastIndexOf('/'), 0)) || '/');

export const mesosFields: readonly [string, Binder][] = [
  ...plain({
    'mesos.task.id': taskId,
    'mesos.task.name': taskName,
    'mesos.task.labels': (event) => labelText(labelsOf(event)),
    'marathon.app.id': appId,
    'marathon.app.name': (event) => nameIn(appId(event)),
    'marathon.app.labels': (event) => labelText(labelsOf(event)),
    'marathon.group.id': (event) => groupOf(appId(event)),
    'marathon.group.name': (event) => nameIn(groupOf(appId(event))),
  }),
  ['mesos.task.label', label],
  ['marathon.app.label', label],
];
