/** Layer rules: who may import whom. `npm run boundaries` checks them and that modules were really seen. */
const rule = (name, comment, from, to) => ({ name, comment, severity: 'error', from, to });

module.exports = {
  forbidden: [
    rule('no-circular', 'A cycle hides who owns a fact.', {}, { circular: true }),
    rule(
      'agent-and-controlplane-never-meet',
      'They meet in openapi/ and on the wire.',
      { path: '^agent/' },
      { path: '^controlplane/' },
    ),
    rule(
      'controlplane-and-agent-never-meet',
      'They meet in openapi/ and on the wire.',
      { path: '^controlplane/' },
      { path: '^(agent|native)/' },
    ),
    rule(
      'contract-stands-alone',
      'openapi/ is imported by all and imports none.',
      { path: '^openapi/src' },
      { path: '^(agent|controlplane|native|test)/' },
    ),
    rule(
      'src-not-to-test',
      'Product code never needs a test.',
      { path: '^[^/]+/(src|lib)/' },
      { path: '(^|/)test/' },
    ),
    rule(
      'only-probe-imports-native',
      'One seam to the kernel.',
      { path: '^agent/src', pathNot: '^agent/src/(probe|events)/' },
      { path: '^native/' },
    ),
    rule(
      'rules-stay-pure',
      'Rules are functions of their inputs: no I/O, no kernel, no clock of their own.',
      { path: '^agent/src/rules/' },
      {
        path: '^(node:|fs$|net$|http$)|^agent/src/(probe|events|state|outputs|uplink|engine)',
        pathNot: '^node:(buffer|util)$',
      },
    ),
    rule(
      'routing-stays-pure',
      'Routing decides from its inputs alone.',
      { path: '^controlplane/src/routing/' },
      { path: '^controlplane/src/(?!routing/)|node_modules/(fastify|bullmq|ioredis)' },
    ),
    rule(
      'no-channel-to-channel',
      'Channel kinds do not know each other.',
      { path: '^controlplane/src/delivery/channels/([^/]+)/' },
      { path: '^controlplane/src/delivery/channels/(?!$1)[^/]+/' },
    ),
    rule(
      'no-route-to-route',
      'API resources do not import each other.',
      { path: '^controlplane/src/api/([^/]+)\\.ts$' },
      { path: '^controlplane/src/api/routes/' },
    ),
  ],
  options: {
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)(dist|build)/' },
    tsConfig: { fileName: 'tsconfig.base.json' },
    enhancedResolveOptions: { conditionNames: ['types', 'import'], exportsFields: ['exports'] },
  },
};
