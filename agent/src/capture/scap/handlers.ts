/** How each kind of event is translated, by name. */
import { FILE_CALLS } from './files.ts';
import { exit, LIFECYCLE_CALLS } from './lifecycle.ts';
import { OTHER_CALLS, told } from './other-calls.ts';
import { SOCKET_CALLS } from './sockets.ts';
import type { Handle } from './translation.ts';

const container: Handle = (translator, event) => {
  if (event.has('json')) translator.learnContainer(event.text('json'));
};
const message: Handle = (translator, event) => {
  if (event.text('event_name') === 'container') translator.learnContainer(event.text('data'));
};
const user: Handle = (translator, event) => {
  const [name, home, shell] = ['name', 'home', 'shell'].map((one) => event.text(one));
  const id = (event.integer('uid') ?? 0) >>> 0;
  translator.account(
    { kind: 'user', id, name: name ?? '', home: home ?? '', shell: shell ?? '' },
    event.text('container_id'),
    event.name === 'userdeleted',
  );
};
const group: Handle = (translator, event) =>
  translator.account(
    { kind: 'group', id: (event.integer('gid') ?? 0) >>> 0, name: event.text('name') },
    event.text('container_id'),
    event.name === 'groupdeleted',
  );

export { told };

/** What is told by an event of its own and not by a call's end. */
export const NOTICES: ReadonlyMap<string, Handle> = new Map(
  Object.entries({
    procexit: exit,
    container,
    asyncevent: message,
    useradded: user,
    userdeleted: user,
    groupadded: group,
    groupdeleted: group,
  }),
);

export const CALLS: ReadonlyMap<string, Handle> = new Map(
  Object.entries({ ...FILE_CALLS, ...SOCKET_CALLS, ...LIFECYCLE_CALLS, ...OTHER_CALLS }),
);
