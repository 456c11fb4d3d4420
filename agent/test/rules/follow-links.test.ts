import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileRules } from '../../src/rules/compile-rules.ts';
import { followLinks } from '../../src/rules/condition/follow-links.ts';
import { loadRules } from '../../src/rules/load-rules.ts';
import { MapSource } from '../../src/rules/map-source.ts';

/** Whether a rule matches an open of `name` that came out at `resolved`. */
function matches(condition: string, name: string, resolved?: string): boolean {
  const content = `- rule: R\n  desc: d\n  condition: evt.type=openat and ${condition}\n  output: o\n  priority: INFO\n`;
  const loaded = loadRules([{ name: 'r.yaml', content }]);
  assert.ok(loaded.ok, JSON.stringify(loaded.files));
  const { registry, ruleset } = loaded;
  const enabled = ruleset.enabled.map((rule) => followLinks(rule, registry));
  const compiled = compileRules({ registry, ruleset: { ...ruleset, enabled } }, new MapSource(), {
    matching: 'first',
  });
  const directory = (path: string) => path.slice(0, path.lastIndexOf('/'));
  return (
    compiled.match(
      new Map(
        Object.entries({
          'evt.type': 'openat',
          'fd.name': name,
          'fd.directory': directory(name),
          ...(resolved !== undefined && {
            'fd.path.resolved': resolved,
            'fd.path.resolved.directory': directory(resolved),
          }),
        }),
      ),
    ).length > 0
  );
}

test('a path that must be named is also found where the kernel came out', () => {
  for (const condition of [
    'fd.name=/etc/shadow',
    'fd.name in (/etc/passwd, /etc/shadow)',
    'fd.name startswith /etc/',
    'fd.name endswith /shadow',
    'fd.name glob "/etc/sh*"',
    'fd.name pmatch (/etc)',
    'fd.directory=/etc',
    'not (not fd.name contains shadow)',
    '(fd.name=/nothing or fd.name=/etc/shadow)',
  ]) {
    assert.ok(matches(condition, '/etc/shadow'), condition);
    assert.ok(matches(condition, '/tmp/link', '/etc/shadow'), condition);
    assert.ok(!matches(condition, '/tmp/link', '/tmp/other'), condition);
    assert.ok(!matches(condition, '/tmp/link'), condition);
  }
});

test('what a rule excludes stays excluded by the path as given alone', () => {
  const condition = 'fd.name startswith /srv and not fd.name startswith /srv/cache/';
  assert.ok(matches(condition, '/srv/link', '/srv/cache/x'));
  assert.ok(!matches(condition, '/srv/cache/link', '/srv/x'));
  assert.ok(matches('fd.name != /etc/shadow', '/tmp/link', '/etc/shadow'));
  assert.ok(!matches('not fd.name=/tmp/link', '/tmp/link', '/etc/shadow'));
});
