import { type Case, PEER } from './case.ts';

/** Other ways to the same end: the calls that official rules name beside the usual one. */
export const OTHER_CALLS: readonly Case[] = [
  {
    rule: 'Directory traversal monitored file read',
    act: 'exec @cat read-openat2 /etc/../etc/../etc/no-such-file',
    fields: { 'fd.name': '/etc/no-such-file', 'evt.type': 'openat2', 'proc.name': 'cat' },
  },
  {
    rule: 'Read sensitive file untrusted',
    act: 'exec @cat read-openat2 //etc/./shadow',
    fields: { 'fd.name': '/etc/shadow', 'evt.type': 'openat2' },
  },
  {
    rule: 'Create Symlink Over Sensitive Files',
    act: 'exec @ln symlinkat /etc {folder} link',
    fields: {
      'evt.type': 'symlinkat',
      'evt.arg.target': '/etc',
      'evt.arg.linkpath': '{folder}/link',
    },
  },
  {
    rule: 'Create Hardlink Over Sensitive Files',
    act: 'private /etc exec @ln touch /etc/sudoers linkat /etc sudoers /etc/copy',
    fields: {
      'evt.type': 'linkat',
      'evt.arg.oldpath': '/etc/sudoers',
      'evt.arg.newpath': '/etc/copy',
    },
  },
  {
    rule: 'Redirect STDOUT/STDIN to Network Connection in Container',
    where: 'container',
    act: `network ${PEER} exec @bash listen ${PEER} 4444 shell ${PEER} 4444`,
    fields: {
      'evt.type': 'dup3',
      'fd.name': /^203\.0\.113\.2:\d+->203\.0\.113\.2:4444$/,
      'fd.l4proto': 'tcp',
      'fd.rport': 4444,
      'fd.sip': PEER,
    },
  },
  {
    rule: 'Linux Kernel Module Injection Detected',
    where: 'container',
    act: 'exec @insmod init-module',
    fields: { 'proc.name': 'insmod', 'evt.type': 'init_module', 'evt.res': /^E[A-Z]+$/ },
  },
  {
    rule: 'Interpreted procs outbound network activity',
    act: `network ${PEER} exec @python3 tcp6 9000`,
    fields: { 'fd.type': 'ipv6', 'fd.name': /^::1:\d+->::1:9000$/, 'fd.l4proto': 'tcp' },
  },
  {
    rule: 'Unexpected inbound connection source',
    act: `network ${PEER} exec @server listen ${PEER} 9000 tcp ${PEER} 9000 accept`,
    fields: {
      'evt.type': 'accept',
      'fd.name': /^203\.0\.113\.2:\d+->203\.0\.113\.2:9000$/,
      'fd.lport': 9000,
      'fd.cip': PEER,
    },
  },
  {
    rule: 'Delete or rename shell history',
    act: 'touch {folder}/.zsh_history exec @mv renameat {folder} .zsh_history kept',
    fields: { 'evt.type': 'renameat2', 'evt.arg.oldpath': '{folder}/.zsh_history' },
  },
  {
    rule: 'Delete or rename shell history',
    act: 'touch {folder}/.bash_history exec @sh truncate {folder}/.bash_history',
    fields: { 'evt.type': 'openat', 'fd.name': '{folder}/.bash_history' },
  },
  {
    rule: 'Set Setuid or Setgid bit',
    act: 'touch {folder}/program exec @chmod fchmod 2755 {folder}/program',
    fields: {
      'evt.type': 'fchmod',
      'evt.arg.mode': /S_ISGID/,
      'evt.arg.fd': '<f>{folder}/program',
    },
  },
  {
    rule: 'Set Setuid or Setgid bit',
    act: 'touch {folder}/program exec @chmod fchmodat 4755 {folder}/program',
    fields: {
      'evt.type': 'fchmodat',
      'evt.arg.mode': 'S_IXOTH|S_IROTH|S_IXGRP|S_IRGRP|S_IXUSR|S_IWUSR|S_IRUSR|S_ISUID',
      'evt.arg.filename': '{folder}/program',
    },
  },
  {
    rule: 'Modify binary dirs',
    act: 'private /usr/bin touch /usr/bin/x exec @rm unlink /usr/bin/x',
    fields: { 'evt.type': 'unlink', 'evt.args': 'res=0 path=/usr/bin/x ' },
  },
  {
    rule: 'Modify binary dirs',
    act: 'private /usr/bin mkdir /usr/bin/d exec @rmdir cd /usr/bin rmdir d',
    fields: { 'evt.type': 'rmdir', 'evt.args': 'res=0 path=d(/usr/bin/d) ' },
  },
  {
    rule: 'Mkdir binary dirs',
    act: 'private /usr/bin exec @mkdir mkdirat /usr/bin d',
    fields: { 'evt.type': 'mkdirat', 'evt.arg.path': '/usr/bin/d' },
  },
  {
    rule: 'Container Drift Detected (open+create)',
    where: 'container',
    act: 'exec @editor creat {folder}/dropped',
    fields: { 'evt.type': 'creat', 'proc.name': 'editor' },
  },
  {
    rule: 'Container Drift Detected (chmod)',
    where: 'container',
    act: 'touch {folder}/program exec @chmod fchmodat 100 {folder}/program',
    fields: { 'evt.type': 'fchmodat', 'evt.arg.mode': 'S_IXUSR' },
  },
  {
    rule: 'Launch Suspicious Network Tool on Host',
    act: 'exec @nc exec /no/such/program x',
    fields: { 'proc.name': 'nc', 'evt.type': 'execve', 'evt.res': 'ENOENT' },
  },
];
