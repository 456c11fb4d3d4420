import type { ByteString } from '../../rules/field.ts';
import type { KernelEvent } from '../kernel-event.ts';
import type { Account, Binder, FieldContext } from './context.ts';

const UNSET = 0xffffffff;

function accountName(uid: number, event: KernelEvent, { accounts }: FieldContext): ByteString {
  return accounts.user(uid, event)?.name ?? (uid === 0 ? 'root' : '<NA>');
}

function ofAccount(part: keyof Account): Binder {
  return ({ accounts }) =>
    (event) =>
      accounts.user(event.process.euid, event)?.[part] ?? '<NA>';
}

export const userFields: readonly [string, Binder][] = [
  [
    'user.uid',
    () =>
      ({ process }) =>
        process.euid,
  ],
  ['user.name', (context) => (event) => accountName(event.process.euid, event, context)],
  ['user.homedir', ofAccount('home')],
  ['user.shell', ofAccount('shell')],
  [
    'user.loginuid',
    () =>
      ({ process }) =>
        process.auditUid === UNSET ? -1 : process.auditUid,
  ],
  [
    'user.loginname',
    (context) => (event) => {
      const uid = event.process.auditUid;
      return uid === UNSET ? '<NA>' : accountName(uid, event, context);
    },
  ],
  [
    'group.gid',
    () =>
      ({ process }) =>
        process.egid,
  ],
  [
    'group.name',
    ({ accounts }) =>
      (event) => {
        const gid = event.process.egid;
        return accounts.group(gid, event) ?? (gid === 0 ? 'root' : '<NA>');
      },
  ],
];
