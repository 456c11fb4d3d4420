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

/** An address of documentation. */
export const PEER = '203.0.113.2';
/** The agent's /etc/hosts gives these names to addresses of documentation. */
export const HOSTS: Readonly<Record<string, string>> = {
  'kubernetes.default.svc.cluster.local': '203.0.113.7',
  'de.minexmr.com': '203.0.113.8',
};
export const PRIVILEGED = { docker: ['--privileged'] };
/** Two rules know nothing as they are shipped: a site fills in its namespaces and images. */
export const SITE = `
- list: namespace_scope_network_only_subnet
  items: [shop]
  override: {items: append}
- macro: allowed_containers
  condition: (container.image.repository = example/allowed)
  override: {condition: replace}
`;
