/** Opens, and calls on one path or two. */
import { RESOLVE_FLAGS } from '../../events/flag-names.ts';
import {
  EVENT_FROM_FD,
  EVENT_OPEN,
  EVENT_PATH,
  EVENT_PATHS,
  openLayout,
  pathLayout,
  pathsLayout,
} from '../../events/layout.ts';
import { absolute } from '../../events/path.ts';
import type { RecordBuilder } from '../../events/record-builder.ts';
import { descriptorOf } from './descriptor.ts';
import type { ScapEvent } from './event.ts';
import { fileBitsOf, openFlagsOf } from './flags.ts';
import { AT_FDCWD, folderFd, folderOf, resolved } from './folder.ts';
import type { ScapProcess } from './process.ts';
import { all, type Handle, resultOf, type Translation, withoutSlash } from './translation.ts';

const DIRECTORY = 0o040000;
const REGULAR = 0o100000;

const open: Handle = (translator, event, process) => {
  const fd = resultOf(event);
  const path = event.text('name') || event.text('path');
  const from = folderOf(event, process, 'dirfd');
  const isCreat = event.name === 'creat';
  const word = event.integer(isCreat ? 'creat_flags' : 'flags') ?? 0;
  const byHandle = event.name === 'open_by_handle_at';
  const real = byHandle ? path : event.text('fullpath');
  const openFlags = isCreat ? 0o1101 : openFlagsOf(word);
  translator
    .begin(EVENT_OPEN, openLayout.size, event, process, event.name)
    .uint64(openLayout.inode, event.wide('ino'))
    .uint32(openLayout.device, event.integer('dev') ?? 0)
    .uint32(openLayout.openFlags, openFlags)
    .uint32(openLayout.mode, event.integer('mode') ?? 0)
    .uint32(openLayout.dirfd, folderFd(event, 'dirfd'))
    .uint32(openLayout.resolve, RESOLVE_FLAGS.toKernel(event.integer('resolve') ?? 0))
    .flag(fileBitsOf(word))
    .strings(openLayout.stringLength, byHandle ? '' : path, from, real);
  translator.emit();
  if (fd < 0) return;
  const isDirectory = (openFlags & openFlagsOf(1024)) !== 0;
  const name = resolved(process, path, from);
  const mode = isDirectory ? DIRECTORY : REGULAR;
  translator.processes.open(process, fd, descriptorOf({ path: name, mode }));
};

/** A call on one path: the names of its path, of its folder's fd, and of its mode or flags. */
function onPath(path: string, dirfd?: string, mode?: string, call?: string): Handle {
  return (translator, event, process) => {
    const from = folderOf(event, process, dirfd);
    writePath(translator, event, process, call)
      .uint32(pathLayout.mode, mode === undefined ? 0 : (event.integer(mode) ?? 0))
      .uint32(pathLayout.fd, folderFd(event, dirfd))
      .strings(pathLayout.stringLength, event.text(path), from, '');
    translator.emit();
  };
}

/** A call on the path of an fd. */
const onDescriptor: Handle = (translator, event, process) => {
  const fd = event.integer('fd') ?? -1;
  writePath(translator, event, process)
    .uint32(pathLayout.mode, event.integer('mode') ?? 0)
    .uint32(pathLayout.fd, fd)
    .flag(EVENT_FROM_FD)
    .strings(pathLayout.stringLength, '', '', process.descriptors.get(fd)?.path ?? '');
  translator.emit();
};

function writePath(
  translator: Translation,
  event: ScapEvent,
  process: ScapProcess,
  call = event.name,
): RecordBuilder {
  return translator
    .begin(EVENT_PATH, pathLayout.size, event, process, call)
    .uint32(pathLayout.owner, event.integer('uid') ?? 0)
    .uint32(pathLayout.group, event.integer('gid') ?? 0);
}

const changeDirectory: Handle = (translator, event, process) => {
  const isGiven = event.name === 'chdir';
  const fd = event.integer('fd') ?? AT_FDCWD;
  const given = isGiven ? event.text('path') : '';
  const real = isGiven
    ? absolute(given, process.cwd)
    : (process.descriptors.get(fd)?.path ?? process.cwd);
  const before = process.cwd;
  if (resultOf(event) >= 0 && real.startsWith('/')) process.cwd = withoutSlash(real);
  writePath(translator, event, process)
    .uint32(pathLayout.fd, fd)
    .flag(isGiven ? 0 : EVENT_FROM_FD)
    .strings(pathLayout.stringLength, given, given.startsWith('/') ? '' : before, process.cwd);
  translator.emit();
};

/** A call on two paths: the names of each path and of its folder's fd. */
function onPaths(source: string, target: string, sourceFd?: string, targetFd?: string): Handle {
  return (translator, event, process) => {
    translator
      .begin(EVENT_PATHS, pathsLayout.size, event, process, event.name)
      .int64(pathsLayout.callFlags, (event.integer('flags') ?? 0) >>> 0)
      .uint32(pathsLayout.sourceFd, folderFd(event, sourceFd))
      .uint32(pathsLayout.targetFd, folderFd(event, targetFd))
      .strings(
        pathsLayout.stringLength,
        event.text(source),
        folderOf(event, process, sourceFd),
        event.text(target),
        folderOf(event, process, targetFd),
        event.text('type'),
      );
    translator.emit();
  };
}

export const FILE_CALLS: Readonly<Record<string, Handle>> = {
  ...all(['open', 'openat', 'openat2', 'creat', 'open_by_handle_at'], open),
  ...all(['mkdir', 'mknod'], onPath('path', undefined, 'mode')),
  ...all(['mkdirat', 'mknodat'], onPath('path', 'dirfd', 'mode')),
  ...all(['rmdir', 'unlink', 'chroot', 'chown', 'lchown'], onPath('path')),
  unlinkat: onPath('name', 'dirfd', 'flags'),
  chmod: onPath('filename', undefined, 'mode'),
  fchmodat: onPath('filename', 'dirfd', 'mode'),
  fchownat: onPath('pathname', 'dirfd'),
  umount: onPath('name', undefined, 'flags', 'umount2'),
  umount2: onPath('name', undefined, 'flags'),
  ...all(['fchmod', 'fchown'], onDescriptor),
  ...all(['chdir', 'fchdir'], changeDirectory),
  ...all(['rename', 'link'], onPaths('oldpath', 'newpath')),
  ...all(['renameat', 'renameat2'], onPaths('oldpath', 'newpath', 'olddirfd', 'newdirfd')),
  linkat: onPaths('oldpath', 'newpath', 'olddir', 'newdir'),
  symlink: onPaths('target', 'linkpath'),
  symlinkat: onPaths('target', 'linkpath', undefined, 'linkdirfd'),
  mount: onPaths('dev', 'dir'),
};
