/** Ports by service name, for `PT_PORT` literals written as a name: the IANA assignments rules are likely to use. */
const SERVICES = `ftp-data 20 ftp 21 ssh 22 telnet 23 smtp 25 time 37 domain 53 bootps 67 bootpc 68 tftp 69 gopher 70
finger 79 http 80 kerberos 88 pop3 110 sunrpc 111 auth 113 nntp 119 ntp 123 epmap 135 netbios-ns 137 netbios-dgm 138
netbios-ssn 139 imap2 143 imap 143 snmp 161 snmp-trap 162 bgp 179 irc 194 ldap 389 https 443 microsoft-ds 445
submissions 465 exec 512 login 513 shell 514 syslog 514 printer 515 submission 587 ipp 631 ldaps 636 rsync 873 ftps 990
imaps 993 pop3s 995 socks 1080 openvpn 1194 ms-sql-s 1433 ms-sql-m 1434 radius 1812 radius-acct 1813 nfs 2049
cvspserver 2401 iscsi-target 3260 mysql 3306 svn 3690 epmd 4369 sip 5060 sip-tls 5061 xmpp-client 5222
xmpp-server 5269 postgresql 5432 amqps 5671 amqp 5672 mqtt 1883 x11 6000 redis 6379 ircd 6667 http-alt 8080`;

const PORTS: ReadonlyMap<string, number> = new Map(
  [...SERVICES.matchAll(/(\S+) (\d+)/g)].map(([, name, port]) => [name ?? '', Number(port)]),
);

/** The port of a service name. */
export function portOf(service: string): number | undefined {
  return PORTS.get(service);
}
