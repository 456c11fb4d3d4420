/**
 * What sets off each official rule, in the words of actor.c, which every act begins under the name of `stage`. `@name` is the actor under
 * that name; `{folder}` is a folder of the case's own. Addresses are those of documentation, in network namespaces of their own.
 */
export interface Case {
  readonly rule: string;
  /** A host's process (default), one in a cgroup as Docker makes them, or the entrypoint of a real container with these flags. */
  readonly where?: 'container' | { readonly docker: readonly string[] };
  readonly act: string;
  /** Expected among the alert's output fields. */
  readonly fields: Readonly<Record<string, string | number | RegExp>>;
  /** Nearly the same act, which must not set off the rule. */
  readonly quiet?: string;
}

const PEER = '203.0.113.2';
/** The agent's /etc/hosts gives these names to addresses of documentation. */
export const HOSTS: Readonly<Record<string, string>> = {
  'kubernetes.default.svc.cluster.local': '203.0.113.7',
  'de.minexmr.com': '203.0.113.8',
};
const PRIVILEGED = { docker: ['--privileged'] };
/** What turns off rules that need a site's own facts is given here, as such a site would. */
export const SITE = `
- list: namespace_scope_network_only_subnet
  items: [shop]
  override: {items: append}
- macro: allowed_containers
  condition: (container.image.repository = example/allowed)
  override: {condition: replace}
`;

export const CASES: readonly Case[] = [
  // Stable.
  {
    rule: 'Directory traversal monitored file read',
    act: 'exec @cat read /etc/../etc/../etc/passwd',
    fields: {
      'fd.name': '/etc/passwd',
      'fd.nameraw': '/etc/../etc/../etc/passwd',
      'proc.name': 'cat',
      'evt.type': 'openat',
      'user.name': 'root',
    },
    quiet: 'exec @cat read /etc/../etc/passwd',
  },
  {
    rule: 'Read sensitive file trusted after startup',
    act: 'exec @httpd pause 5200 read /etc/shadow',
    fields: { 'fd.name': '/etc/shadow', 'proc.name': 'httpd' },
    quiet: 'exec @httpd read /etc/shadow',
  },
  {
    rule: 'Read sensitive file untrusted',
    act: 'exec @cat cd /etc read shadow',
    fields: { 'fd.name': '/etc/shadow', 'proc.name': 'cat', 'user.name': 'root', 'user.uid': 0 },
    quiet: 'exec @userdel read /etc/shadow',
  },
  {
    rule: 'Run shell untrusted',
    act: 'exec @httpd spawn @sh -c id',
    fields: {
      'proc.name': 'sh',
      'proc.pname': 'httpd',
      'proc.cmdline': 'sh -c id',
      'proc.pcmdline': 'httpd spawn @sh -c id',
    },
    quiet: 'exec @cron spawn @sh -c id',
  },
  {
    rule: 'System user interactive',
    act: 'become 1 exec @login',
    fields: { 'proc.name': 'login', 'user.name': 'daemon', 'user.uid': 1 },
    quiet: 'exec @login',
  },
  {
    rule: 'Terminal shell in container',
    where: 'container',
    act: 'terminal exec @runc spawn @sh -c id',
    fields: { 'proc.name': 'sh', 'proc.pname': 'runc', 'proc.tty': /^[1-9]\d*$/ },
    quiet: 'exec @runc spawn @sh -c id',
  },
  {
    rule: 'Contact K8S API Server From Container',
    where: 'container',
    act: 'network 203.0.113.7 exec @client udp 203.0.113.7 443',
    fields: { 'fd.name': /->203\.0\.113\.7:443$/, 'fd.rport': 443, 'proc.name': 'client' },
    quiet: `network ${PEER} exec @client udp ${PEER} 443`,
  },
  {
    rule: 'Netcat Remote Code Execution in Container',
    where: 'container',
    act: 'exec @nc -e /bin/sh 127.0.0.1 1',
    fields: { 'proc.name': 'nc', 'proc.cmdline': 'nc -e /bin/sh 127.0.0.1 1' },
    quiet: 'exec @nc 127.0.0.1 1',
  },
  {
    rule: 'Search Private Keys or Passwords',
    act: 'exec @find /home -iname id_rsa',
    fields: { 'proc.name': 'find', 'proc.cmdline': 'find /home -iname id_rsa' },
    quiet: 'exec @find /home -iname notes',
  },
  {
    rule: 'Clear Log Activities',
    act: 'exec @sh truncate {folder}/syslog',
    fields: { 'fd.name': '{folder}/syslog', 'proc.name': 'sh' },
    quiet: 'exec @sh append {folder}/syslog',
  },
  {
    rule: 'Remove Bulk Data from Disk',
    act: 'exec @shred -u /nowhere/disk',
    fields: { 'proc.name': 'shred', 'proc.cmdline': 'shred -u /nowhere/disk' },
    quiet: 'exec @rm -u /nowhere/disk',
  },
  {
    rule: 'Create Symlink Over Sensitive Files',
    act: 'exec @ln symlink /etc/shadow {folder}/link',
    fields: {
      'evt.arg.target': '/etc/shadow',
      'evt.arg.linkpath': '{folder}/link',
      'proc.name': 'ln',
    },
    quiet: 'exec @ln symlink /etc/hostname {folder}/other',
  },
  {
    rule: 'Create Hardlink Over Sensitive Files',
    act: 'private /etc exec @ln touch /etc/shadow cd /etc link shadow copy',
    fields: {
      'evt.arg.oldpath': '/etc/shadow',
      'evt.arg.newpath': '/etc/copy',
      'proc.name': 'ln',
    },
    quiet: 'private /etc exec @ln touch /etc/hostname link /etc/hostname /etc/copy',
  },
  {
    rule: 'Packet socket created in container',
    where: 'container',
    act: 'exec @sniff packet-socket',
    fields: { 'proc.name': 'sniff', 'evt.type': 'socket' },
    quiet: 'exec @sniff redirect-input',
  },
  {
    rule: 'Redirect STDOUT/STDIN to Network Connection in Container',
    where: 'container',
    act: 'exec @bash redirect-input',
    fields: { 'proc.name': 'bash', 'fd.type': 'ipv4', 'evt.type': 'dup2' },
    quiet: 'exec @bash packet-socket',
  },
  {
    rule: 'Linux Kernel Module Injection Detected',
    where: 'container',
    act: 'exec @insmod finit-module',
    fields: { 'proc.name': 'insmod', 'evt.res': /^E[A-Z]+$/, 'evt.type': 'finit_module' },
    quiet: 'become 1 exec @insmod finit-module',
  },
  {
    rule: 'Debugfs Launched in Privileged Container',
    where: PRIVILEGED,
    act: 'spawn @debugfs -V',
    fields: { 'proc.name': 'debugfs', 'user.name': 'root' },
    quiet: 'spawn @dumpfs -V',
  },
  {
    rule: 'Detect release_agent File Container Escapes',
    where: 'container',
    act: 'exec @sh truncate {folder}/release_agent',
    fields: { 'fd.name': '{folder}/release_agent', 'thread.cap_effective': /CAP_SYS_ADMIN/ },
    quiet: 'exec @sh read {folder}/release_agent',
  },
  {
    rule: 'PTRACE attached to process',
    act: 'exec @debugger trace-child',
    fields: { 'proc.name': 'debugger', 'evt.type': 'ptrace' },
    quiet: 'exec @debugger trace-me',
  },
  {
    rule: 'PTRACE anti-debug attempt',
    act: 'exec @hidden trace-me',
    fields: { 'proc.name': 'hidden', 'evt.type': 'ptrace' },
    quiet: 'exec @hidden trace-child',
  },
  {
    rule: 'Find AWS Credentials',
    act: 'exec @grep aws_access_key_id notes',
    fields: { 'proc.name': 'grep', 'group.name': 'root', 'proc.cwd': '/' },
    quiet: 'exec @grep access notes',
  },
  {
    rule: 'Execution from /dev/shm',
    act: 'private /dev/shm exec-copy /dev/shm/dropped {folder}',
    fields: { 'proc.name': 'dropped', 'proc.exepath': '/dev/shm/dropped', 'evt.res': 'SUCCESS' },
    quiet: 'exec-copy {folder}/dropped {folder}',
  },
  {
    rule: 'Drop and execute new binary in container',
    where: { docker: [] },
    act: 'exec-copy /tmp/dropped {folder}',
    fields: {
      'proc.name': 'dropped',
      'proc.exe': '/tmp/dropped',
      'evt.arg.flags': /EXE_UPPER_LAYER/,
    },
    quiet: 'exec /bin/busybox true {folder}',
  },
  {
    rule: 'Disallowed SSH Connection Non Standard Port',
    act: `network ${PEER} exec @ssh listen ${PEER} 443 tcp ${PEER} 443`,
    fields: { 'proc.name': 'ssh', 'fd.name': /->203\.0\.113\.2:443$/, 'fd.l4proto': 'tcp' },
    quiet: `network ${PEER} exec @ssh listen ${PEER} 22 tcp ${PEER} 22`,
  },
  {
    rule: 'Fileless execution via memfd_create',
    act: 'exec-memory @fileless {folder}',
    fields: {
      'evt.type': 'execve',
      'proc.exepath': /^memfd:dropped/,
      'evt.arg.flags': /EXE_FROM_MEMFD/,
    },
    quiet: 'exec @fileless',
  },
  // Incubating.
  {
    rule: 'Modify Shell Configuration File',
    act: 'exec @editor append {folder}/.bashrc',
    fields: { 'fd.name': '{folder}/.bashrc', 'proc.name': 'editor' },
    quiet: 'exec @bash append {folder}/.bashrc',
  },
  {
    rule: 'Schedule Cron Jobs',
    act: 'private /etc mkdir /etc/cron.d exec @editor truncate /etc/cron.d/job',
    fields: { 'fd.name': '/etc/cron.d/job', 'proc.name': 'editor' },
    quiet: 'exec @editor read /etc/cron.d',
  },
  {
    rule: 'Read ssh information',
    act: 'private /root mkdir /root/.ssh exec @ls list /root/.ssh',
    fields: { 'fd.name': '/root/.ssh', 'proc.name': 'ls' },
    quiet: 'private /root mkdir /root/.ssh exec @sshd list /root/.ssh',
  },
  {
    rule: 'DB program spawned process',
    act: 'exec @mysqld spawn @ls',
    fields: { 'proc.name': 'ls', 'proc.pname': 'mysqld' },
    quiet: 'exec @mysqld spawn @mysqld',
  },
  {
    rule: 'Change thread namespace',
    act: 'exec @enter setns',
    fields: { 'proc.name': 'enter', 'evt.type': 'setns' },
    quiet: 'exec @nsenter setns',
  },
  {
    rule: 'Change namespace privileges via unshare',
    where: 'container',
    act: 'become 1 exec @leave unshare pause 300',
    fields: { 'proc.name': 'leave', 'user.name': 'daemon', 'evt.type': 'unshare' },
    quiet: 'exec @leave unshare',
  },
  {
    rule: 'Launch Privileged Container',
    where: PRIVILEGED,
    act: 'exec @server',
    fields: { 'proc.name': 'stage', 'user.name': 'root' },
  },
  {
    rule: 'Launch Excessively Capable Container',
    where: 'container',
    act: 'pid-namespace spawn @server',
    fields: { 'proc.name': 'server', 'thread.cap_permitted': /CAP_SYS_ADMIN/ },
    quiet: 'spawn @server',
  },
  {
    rule: 'System procs network activity',
    act: `network ${PEER} exec @bash udp ${PEER} 9`,
    fields: { 'proc.name': 'bash', 'fd.name': /->203\.0\.113\.2:9$/, 'fd.l4proto': 'udp' },
    quiet: 'exec @bash udp 127.0.0.1 9',
  },
  {
    rule: 'Program run with disallowed http proxy env',
    act: 'environment HTTP_PROXY=http://127.0.0.1:1 exec @curl --version',
    fields: { 'proc.name': 'curl', 'proc.env': /HTTP_PROXY=http:\/\/127\.0\.0\.1:1/ },
    quiet: 'exec @curl --version',
  },
  {
    rule: 'Unexpected UDP Traffic',
    act: `network ${PEER} exec @client udp ${PEER} 9999`,
    fields: { 'fd.name': /->203\.0\.113\.2:9999$/, 'fd.l4proto': 'udp', 'fd.rport': 9999 },
    quiet: `network ${PEER} exec @client udp ${PEER} 53`,
  },
  {
    rule: 'Non sudo setuid',
    act: 'exec @switch setuid 1',
    fields: { 'proc.name': 'switch', 'user.name': 'daemon', 'evt.arg.uid': 'daemon' },
    quiet: 'exec @sudo setuid 1',
  },
  {
    rule: 'User mgmt binaries',
    act: 'exec @usermod --help',
    fields: { 'proc.name': 'usermod', 'proc.cmdline': 'usermod --help' },
    quiet: 'exec @useradd -D',
  },
  {
    rule: 'Create files below dev',
    act: 'private /dev exec @editor touch /dev/file',
    fields: { 'fd.name': '/dev/file', 'proc.name': 'editor', 'evt.arg.flags': /O_CREAT/ },
    quiet: 'private /dev mkdir /dev/below exec @editor touch /dev/below/file',
  },
  {
    rule: 'Contact EC2 Instance Metadata Service From Container',
    where: 'container',
    act: 'network 169.254.169.254 exec @client udp 169.254.169.254 80',
    fields: { 'fd.name': /->169\.254\.169\.254:80$/, 'proc.name': 'client' },
    quiet: 'network 169.254.169.253 exec @client udp 169.254.169.253 80',
  },
  {
    rule: 'Contact cloud metadata service from container',
    where: 'container',
    act: 'network 169.254.169.254 exec @client udp 169.254.169.254 80',
    fields: { 'fd.name': /->169\.254\.169\.254:80$/, 'proc.name': 'client' },
    quiet: 'network 169.254.169.254 exec @client listen 169.254.169.254 80',
  },
  {
    rule: 'Launch Package Management Process in Container',
    where: 'container',
    act: 'exec @dpkg --version',
    fields: { 'proc.name': 'dpkg' },
    quiet: 'exec @apk-tools --version',
  },
  {
    rule: 'Launch Suspicious Network Tool in Container',
    where: 'container',
    act: 'exec @nmap -V',
    fields: { 'proc.name': 'nmap', 'proc.cmdline': 'nmap -V' },
    quiet: 'exec @ping -V',
  },
  {
    rule: 'Launch Suspicious Network Tool on Host',
    act: 'exec @tcpdump --version',
    fields: { 'proc.name': 'tcpdump' },
    quiet: 'exec @curl --version',
  },
  {
    rule: 'Delete or rename shell history',
    act: 'touch {folder}/.bash_history exec @rm cd {folder} remove .bash_history',
    fields: { 'evt.arg.name': '{folder}/.bash_history', 'proc.name': 'rm', 'evt.type': 'unlinkat' },
    quiet: 'touch {folder}/.bash_profile exec @rm remove {folder}/.bash_profile',
  },
  {
    rule: 'Set Setuid or Setgid bit',
    act: 'touch {folder}/program exec @chmod chmod 4755 {folder}/program',
    fields: {
      'evt.arg.filename': '{folder}/program',
      'evt.arg.mode': /S_ISUID/,
      'proc.name': 'chmod',
    },
    quiet: 'touch {folder}/program exec @chmod chmod 755 {folder}/program',
  },
  {
    rule: 'Launch Remote File Copy Tools in Container',
    where: 'container',
    act: 'exec @scp notes there:',
    fields: { 'proc.name': 'scp', 'proc.cmdline': 'scp notes there:' },
    quiet: 'exec @cp notes there',
  },
  {
    rule: 'Network Connection outside Local Subnet',
    where: { docker: ['--cap-add=NET_ADMIN', '--label=io.kubernetes.pod.namespace=shop'] },
    act: `address ${PEER} exec @client udp ${PEER} 53`,
    fields: { 'fd.rport': 53, 'proc.name': 'client', 'k8s.ns.name': 'shop' },
    quiet: 'exec @client udp 127.0.0.1 53',
  },
  {
    rule: 'Mount Launched in Privileged Container',
    where: PRIVILEGED,
    act: 'spawn @mount -o bind',
    fields: { 'proc.name': 'mount', 'proc.cmdline': 'mount -o bind' },
    quiet: 'spawn @mount -l',
  },
  {
    rule: 'Launch Ingress Remote File Copy Tools in Container',
    where: 'container',
    act: 'exec @curl -O x',
    fields: { 'proc.name': 'curl', 'proc.cmdline': 'curl -O x' },
    quiet: 'exec @curl x',
  },
  {
    rule: 'Read environment variable from /proc files',
    where: 'container',
    act: 'exec @cat read /proc/self/environ',
    fields: { 'fd.name': '/proc/self/environ', 'proc.name': 'cat' },
    quiet: 'exec @cat read /proc/self/stat',
  },
  {
    rule: 'Exfiltrating Artifacts via Kubernetes Control Plane',
    where: 'container',
    act: 'touch {folder}/file exec @runc spawn @tar read {folder}/file',
    fields: { 'fd.name': '{folder}/file', 'proc.name': 'tar', 'proc.tty': 0 },
    quiet: 'exec @runc spawn @tar read /etc/passwd',
  },
  {
    rule: 'Adding ssh keys to authorized_keys',
    act: 'private /root mkdir /root/.ssh exec @editor append /root/.ssh/authorized_keys',
    fields: { 'fd.name': '/root/.ssh/authorized_keys', 'proc.name': 'editor' },
    quiet: 'private /root mkdir /root/.ssh exec @editor append /root/.ssh/known_hosts',
  },
  {
    rule: 'Potential Local Privilege Escalation via Environment Variables Misuse',
    act: 'environment GLIBC_TUNABLES=x=y exec @victim',
    fields: { 'proc.name': 'victim', 'proc.env': /GLIBC_TUNABLES=x=y/ },
    quiet: 'environment TUNABLES=x=y exec @victim',
  },
  {
    rule: 'Backdoored library loaded into SSHD (CVE-2024-3094)',
    act: 'touch {folder}/liblzma.so.5.6.0 exec @sshd read {folder}/liblzma.so.5.6.0',
    fields: { 'fd.name': '{folder}/liblzma.so.5.6.0', 'proc.name': 'sshd' },
    quiet: 'touch {folder}/liblzma.so.5.6.2 exec @sshd read {folder}/liblzma.so.5.6.2',
  },
  {
    rule: 'BPF Program Not Profiled',
    act: 'exec @loader bpf 5',
    fields: { 'proc.name': 'loader', 'evt.arg.cmd': 'BPF_PROG_LOAD' },
    quiet: 'exec @loader bpf 0',
  },
  // Sandbox.
  {
    rule: 'Unexpected inbound connection source',
    act: `network ${PEER} exec @server listen ${PEER} 9000 tcp ${PEER} 9000 accept`,
    fields: { 'proc.name': 'server', 'evt.type': /^(listen|accept4?)$/ },
    quiet: 'exec @server listen 127.0.0.1 0',
  },
  {
    rule: 'Read Shell Configuration File',
    act: 'touch {folder}/.bashrc exec @cat read {folder}/.bashrc',
    fields: { 'fd.name': '{folder}/.bashrc', 'proc.name': 'cat' },
    quiet: 'touch {folder}/.bashrc exec @bash read {folder}/.bashrc',
  },
  {
    rule: 'Update Package Repository',
    act: 'private /etc mkdir /etc/apt mkdir /etc/apt/sources.list.d exec @editor touch /etc/apt/sources.list.d/x',
    fields: { 'fd.name': '/etc/apt/sources.list.d/x', 'proc.name': 'editor' },
    quiet: 'private /etc mkdir /etc/apt exec @dpkg touch /etc/apt/x',
  },
  {
    rule: 'Write below binary dir',
    act: 'private /usr/bin exec @editor touch /usr/bin/x',
    fields: { 'fd.name': '/usr/bin/x', 'proc.name': 'editor' },
    quiet: 'private /usr/bin exec @dpkg touch /usr/bin/x',
  },
  {
    rule: 'Write below monitored dir',
    act: 'private /usr/local/bin exec @editor touch /usr/local/bin/x',
    fields: { 'fd.name': '/usr/local/bin/x', 'proc.name': 'editor' },
    quiet: 'private /usr/local exec @editor touch /usr/local/x',
  },
  {
    rule: 'Write below etc',
    act: 'private /etc exec @editor cd /etc touch ./x',
    fields: { 'fd.name': '/etc/x', 'proc.name': 'editor' },
    quiet: 'private /etc exec @passwd touch /etc/x',
  },
  {
    rule: 'Write below root',
    act: 'private /root exec @editor touch /root/x',
    fields: { 'fd.name': '/root/x', 'proc.name': 'editor' },
    quiet: 'private /root exec @editor touch /root/.bash_history',
  },
  {
    rule: 'Write below rpm database',
    act: 'private /var/lib mkdir /var/lib/rpm exec @editor touch /var/lib/rpm/x',
    fields: { 'fd.name': '/var/lib/rpm/x', 'proc.name': 'editor' },
    quiet: 'private /var/lib mkdir /var/lib/rpm exec @rpm touch /var/lib/rpm/x',
  },
  {
    rule: 'Modify binary dirs',
    act: 'private /usr/bin touch /usr/bin/x exec @mv rename /usr/bin/x /usr/bin/y',
    fields: { 'proc.name': 'mv', 'evt.type': 'rename', 'evt.args': /\/usr\/bin\/x/ },
    quiet: 'private /usr/local touch /usr/local/x exec @mv rename /usr/local/x /usr/local/y',
  },
  {
    rule: 'Mkdir binary dirs',
    act: 'private /usr/bin exec @mkdir mkdir /usr/bin/d',
    fields: { 'proc.name': 'mkdir', 'evt.arg.path': '/usr/bin/d' },
    quiet: 'private /usr/local exec @mkdir mkdir /usr/local/d',
  },
  {
    rule: 'Launch Sensitive Mount Container',
    where: { docker: ['-v', '/proc:/host/proc:ro'] },
    act: 'exec @server',
    fields: { 'proc.name': 'stage', 'container.mounts': /\/proc:\/host\/proc:ro/ },
  },
  {
    rule: 'Launch Disallowed Container',
    where: { docker: [] },
    act: 'exec @server',
    fields: { 'proc.name': 'stage' },
  },
  {
    rule: 'Interpreted procs inbound network activity',
    act: `network ${PEER} exec @python3 listen ${PEER} 9000`,
    fields: { 'proc.name': 'python3', 'evt.type': 'listen', 'fd.name': '203.0.113.2:9000' },
    quiet: 'exec @python3 listen 127.0.0.1 0',
  },
  {
    rule: 'Interpreted procs outbound network activity',
    act: `network ${PEER} exec @python3 udp ${PEER} 9`,
    fields: { 'proc.name': 'python3', 'fd.name': /->203\.0\.113\.2:9$/ },
    quiet: 'exec @python3 udp 127.0.0.1 9',
  },
  {
    rule: 'Unexpected K8s NodePort Connection',
    where: 'container',
    act: `network ${PEER} exec @server listen ${PEER} 30001`,
    fields: { 'proc.name': 'server', 'fd.name': '203.0.113.2:30001' },
    quiet: `network ${PEER} exec @server listen ${PEER} 29999`,
  },
  {
    rule: 'Create Hidden Files or Directories',
    act: 'exec @editor touch {folder}/.hidden',
    fields: { 'fd.name': '{folder}/.hidden', 'proc.name': 'editor' },
    quiet: 'exec @editor touch {folder}/shown',
  },
  {
    rule: 'Detect outbound connections to common miner pool ports',
    act: 'network 203.0.113.8 exec @client udp 203.0.113.8 443',
    fields: { 'fd.rport': 443, 'fd.rip': '203.0.113.8', 'proc.name': 'client' },
    quiet: 'network 203.0.113.8 exec @client udp 203.0.113.8 444',
  },
  {
    rule: 'Detect crypto miners using the Stratum protocol',
    act: 'exec @echo -o stratum+tcp://pool',
    fields: { 'proc.name': 'echo', 'proc.cmdline': 'echo -o stratum+tcp://pool' },
    quiet: 'exec @echo -o tcp://pool',
  },
  {
    rule: 'Kubernetes Client Tool Launched in Container',
    where: 'container',
    act: 'exec @kubectl',
    fields: { 'proc.name': 'kubectl', 'proc.cmdline': 'kubectl' },
    quiet: 'exec @kube',
  },
  {
    rule: 'Container Drift Detected (chmod)',
    where: 'container',
    act: 'touch {folder}/program exec @chmod chmod 755 {folder}/program',
    fields: { 'evt.arg.filename': '{folder}/program', 'evt.arg.mode': /S_IXUSR/ },
    quiet: 'touch {folder}/program exec @chmod chmod 644 {folder}/program',
  },
  {
    rule: 'Container Drift Detected (open+create)',
    where: 'container',
    act: 'exec @editor program {folder}/dropped',
    fields: { 'evt.type': 'openat', 'proc.name': 'editor' },
    quiet: 'exec @editor touch {folder}/notes',
  },
  {
    rule: 'Container Run as Root User',
    where: 'container',
    act: 'pid-namespace spawn @server',
    fields: { 'proc.name': 'server', 'user.uid': 0 },
    quiet: 'pid-namespace become 1 spawn @server',
  },
  {
    rule: 'Sudo Potential Privilege Escalation',
    act: 'exec @sudoedit -s a\\',
    fields: { 'proc.name': 'sudoedit', 'proc.cmdline': 'sudoedit -s a\\' },
    quiet: 'exec @sudoedit -s a',
  },
  {
    rule: 'Unprivileged Delegation of Page Faults Handling to a Userspace Process',
    act: 'become 1 exec @faults userfaultfd',
    fields: { 'proc.name': 'faults', 'user.name': 'daemon', 'user.uid': 1 },
    quiet: 'exec @faults userfaultfd',
  },
  {
    rule: 'Polkit Local Privilege Escalation Vulnerability (CVE-2021-4034)',
    act: 'exec @pkexec',
    fields: { 'proc.name': 'pkexec', 'proc.cmdline': 'pkexec' },
    quiet: 'exec @pkexec id',
  },
  {
    rule: 'Java Process Class File Download',
    act: 'exec @java receive-class',
    fields: { 'proc.name': 'java', 'evt.type': 'recvfrom' },
    quiet: 'exec @client receive-class',
  },
  {
    rule: 'Modify Container Entrypoint',
    where: 'container',
    act: 'touch {folder}/out exec @sh append /proc/self/fd/3',
    fields: { 'fd.name': '/proc/self/fd/3', 'proc.name': 'sh' },
    quiet: 'touch {folder}/out exec @sh read /proc/self/fd/3',
  },
  {
    rule: 'Decoding Payload in Container',
    where: 'container',
    act: 'exec @base64 -d notes',
    fields: { 'proc.name': 'base64', 'proc.cmdline': 'base64 -d notes' },
    quiet: 'exec @base64 notes',
  },
  {
    rule: 'Basic Interactive Reconnaissance',
    act: 'terminal exec @whoami',
    fields: { 'proc.name': 'whoami', 'proc.tty': /^[1-9]\d*$/ },
    quiet: 'exec @whoami',
  },
  {
    rule: 'Netcat/Socat Remote Code Execution on Host',
    act: 'exec @socat - EXEC:sh',
    fields: { 'proc.name': 'socat', 'proc.cmdline': 'socat - EXEC:sh' },
    quiet: 'exec @socat - TCP:there',
  },
  {
    rule: 'Network Tool Executed During NPM Package Install',
    where: 'container',
    act: 'exec @npm spawn @nc',
    fields: { 'proc.name': 'nc', 'proc.pname': 'npm' },
    quiet: 'exec @node spawn @nc',
  },
  {
    rule: 'Known Cryptominer Process Executed',
    act: 'exec @xmrig',
    fields: { 'proc.name': 'xmrig' },
    quiet: 'exec @miner',
  },
  {
    rule: 'Web Server Spawned Shell',
    act: 'exec @gunicorn spawn @sh -c id',
    fields: { 'proc.name': 'sh', 'proc.pname': 'gunicorn' },
    quiet: 'exec @gunicorn spawn @sh -c healthcheck',
  },
  {
    rule: 'Web Server Spawned Suspicious Child Process',
    act: 'exec @gunicorn spawn @id',
    fields: { 'proc.name': 'id', 'proc.pname': 'gunicorn' },
    quiet: 'exec @gunicorn spawn @date',
  },
  {
    rule: 'Reverse Shell from Web Server',
    act: 'exec @gunicorn spawn @mkfifo mkfifo /tmp/pipe',
    fields: { 'proc.name': 'mkfifo', 'proc.cmdline': 'mkfifo mkfifo /tmp/pipe' },
    quiet: 'exec @gunicorn spawn @mkfifo pipe',
  },
  {
    rule: 'Privileged Container Device Access',
    where: 'container',
    act: 'private /dev touch /dev/sda exec @dd read /dev/sda',
    fields: { 'fd.name': '/dev/sda', 'proc.name': 'dd' },
    quiet: 'exec @dd read /dev/null',
  },
  {
    rule: 'Container Access to Host Sensitive Paths',
    where: { docker: ['-v', '/etc:/host/etc:ro'] },
    act: 'spawn @cat read /host/etc/hostname',
    fields: { 'fd.name': '/host/etc/hostname', 'proc.name': 'cat' },
    quiet: 'spawn @cat read /etc/passwd',
  },
  // Other ways to the same end: the calls that rules name beside the usual one.
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
    fields: { 'evt.type': 'unlink', 'evt.args': 'res=0 path=/usr/bin/x' },
  },
  {
    rule: 'Modify binary dirs',
    act: 'private /usr/bin mkdir /usr/bin/d exec @rmdir cd /usr/bin rmdir d',
    fields: { 'evt.type': 'rmdir', 'evt.args': 'res=0 path=d(/usr/bin/d)' },
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
