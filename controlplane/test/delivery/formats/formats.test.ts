import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PRIORITIES } from '@tocsin/openapi';
import type { ShownAlert } from '../../../src/delivery/channel.ts';
import { encodeWithin } from '../../../src/delivery/formats/format.ts';
import { FORMATS, type FormatName } from '../../../src/delivery/formats/index.ts';
import { HOSTILE, hostileAlert, sampleAlert, sampleNotification } from '../sample.ts';

const encode = (format: FormatName, alert: ShownAlert) =>
  FORMATS[format].encode(alert, sampleNotification());
const parse = (format: FormatName, alert: ShownAlert) => JSON.parse(encode(format, alert));

const connection = sampleAlert({
  output_fields: {
    'evt.type': 'connect',
    'fd.name': '10.0.0.1:40000->93.184.216.34:443',
    'fd.l4proto': 'tcp',
    'proc.name': 'curl',
    'proc.pid': 4242,
    'container.id': 'host',
  },
  tags: ['network', 'mitre_command_and_control', 'T1059.004'],
});

/** CEF as a receiver reads it: seven header fields, then keys up to the next unescaped `=`. */
function readCef(line: string) {
  const header: string[] = [];
  let rest = line;
  for (let field = 0; field < 7; field += 1) {
    const [whole = '', text = ''] = /^((?:\\[\\|]|[^\\|])*)\|/.exec(rest) ?? [];
    header.push(text.replace(/\\([\\|])/g, '$1'));
    rest = rest.slice(whole.length);
  }
  const extension = Object.fromEntries(
    [...rest.matchAll(/(?:^| )(\w+)=((?:\\[\\=]|[^\\=])*?)(?= \w+=|$)/g)].map(([, key, value]) => [
      key,
      value?.replace(/\\([\\=])/g, '$1'),
    ]),
  );
  return { header, extension };
}

function readLeef(line: string) {
  const [version, vendor, product, release, id, delimiter, ...rest] = line.split('|');
  const pairs = rest.join('|').split('\t');
  const attributes = new Map(
    pairs.map((pair): [string, string] => [
      pair.slice(0, pair.indexOf('=')),
      pair.slice(pair.indexOf('=') + 1),
    ]),
  );
  return { header: [version, vendor, product, release, id, delimiter], attributes };
}

describe('formats', () => {
  it('writes every format on one line that nothing acts on, whatever an event is called', () => {
    for (const name of Object.keys(FORMATS) as FormatName[]) {
      const line = encode(name, hostileAlert());
      assert.doesNotMatch(line.replaceAll('\t', ''), /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u, name);
      assert.ok(name === 'leef' || !line.includes('\t'), name);
    }
  });

  it('cuts long values until a line fits, and keeps JSON whole', () => {
    const long = sampleAlert({
      output: '\\"'.repeat(30_000),
      rule: 'R'.repeat(512),
      output_fields: Object.fromEntries(
        Array.from({ length: 256 }, (_, index) => [
          `a.field.of.some.length[${index}]`,
          'é"\\'.repeat(300),
        ]),
      ),
      tags: Array.from({ length: 64 }, () => 't'.repeat(256)),
      hostname: 'h'.repeat(255),
    });
    for (const [name, format] of Object.entries(FORMATS)) {
      for (const max of [2048, 8192, 65_536]) {
        const line = encodeWithin(format, long, sampleNotification(), max);
        assert.ok(Buffer.byteLength(line) <= max, `${name}: ${Buffer.byteLength(line)} > ${max}`);
        if (line.startsWith('{')) JSON.parse(line);
      }
    }
  });

  describe('CEF', () => {
    it('has the seven fields of its header and the keys of its dictionary', () => {
      const { header, extension } = readCef(encode('cef', sampleAlert({ rule: 'a|b\\c' })));
      assert.deepEqual(
        [header[0], header[1], header[4], header[5], header[6]],
        ['CEF:0', 'Tocsin', 'a|b\\c', 'a|b\\c', '6'],
      );
      assert.equal(extension.suser, 'root');
      assert.equal(extension.filePath, '/etc/shadow');
      assert.equal(extension.cs1Label, 'commandLine');
      assert.equal(extension.cs1, 'cat /etc/shadow');
      assert.equal(extension.cnt, '3');
      assert.equal(extension.rt, String(Date.parse('2026-11-20T10:00:00.123Z')));
      assert.match(extension.msg ?? '', /file=\/etc\/shadow user=root/);
    });

    it('tells a connection by its two ends', () => {
      const { extension } = readCef(encode('cef', connection));
      assert.deepEqual(
        [extension.src, extension.spt, extension.dst, extension.dpt, extension.proto],
        ['10.0.0.1', '40000', '93.184.216.34', '443', 'TCP'],
      );
      assert.equal(extension.filePath, undefined);
    });

    it('cannot be given a key by an event', () => {
      const forged = 'x act=blocked\ncs1=forged dst=1.2.3.4 | \\';
      const { header, extension } = readCef(
        encode(
          'cef',
          sampleAlert({ rule: forged, output: forged, output_fields: { 'proc.cmdline': forged } }),
        ),
      );
      assert.equal(header.length, 7);
      assert.equal(extension.act, undefined);
      assert.equal(extension.dst, undefined);
      assert.equal(extension.cs1, forged.replace('\n', '\\n'));
    });

    it('grows more severe with the priority', () => {
      const severities = PRIORITIES.map((priority) =>
        Number(readCef(encode('cef', sampleAlert({ priority }))).header[6]),
      );
      assert.deepEqual(severities, [10, 9, 8, 7, 6, 4, 3, 0]);
    });
  });

  describe('LEEF', () => {
    it('separates attributes by tabs, which no value holds', () => {
      const { header, attributes } = readLeef(
        encode('leef', sampleAlert({ rule: 'a|b', output: 'x\tdst=6.6.6.6|y' })),
      );
      assert.deepEqual(header, ['LEEF:2.0', 'Tocsin', 'Tocsin', '0.1.0', 'a/b', 'x09']);
      assert.equal(attributes.get('rule'), 'a|b');
      assert.equal(attributes.get('dst'), undefined);
      assert.equal(attributes.get('msg'), 'x\\tdst=6.6.6.6|y');
      assert.equal(attributes.get('sev'), '6');
      assert.equal(
        readLeef(encode('leef', sampleAlert({ priority: 'Debug' }))).attributes.get('sev'),
        '1',
      );
    });
  });

  describe('ECS', () => {
    it('puts what is known where the schema has it', () => {
      const document = parse('ecs', sampleAlert());
      assert.equal(document['@timestamp'], '2026-11-20T10:00:00.123456789Z');
      assert.equal(document.event.kind, 'alert');
      assert.deepEqual(document.event.type, ['info']);
      assert.deepEqual(document.event.category, ['intrusion_detection', 'file']);
      assert.equal(document.rule.name, 'Read sensitive file untrusted');
      assert.equal(document.process.parent.name, 'bash');
      assert.equal(document.container.image.name, 'docker.io/library/nginx');
      assert.equal(document.file.name, 'shadow');
      assert.deepEqual(document.threat.tactic.name, ['Credential Access']);
      assert.equal(document.tocsin.output_fields.proc_cmdline, 'cat /etc/shadow');
      assert.equal('k8s_pod_name' in document.tocsin.output_fields, false);
    });

    it('cuts no character of a long field in half', () => {
      const long = `x${'😀'.repeat(600)}`;
      const document = parse('ecs', sampleAlert({ output_fields: { 'proc.cmdline': long } }));
      assert.equal(document.tocsin.output_fields.proc_cmdline, `x${'😀'.repeat(511)}…`);
    });

    it('tells a connection on the host', () => {
      const document = parse('ecs', connection);
      assert.deepEqual(document.destination, {
        ip: '93.184.216.34',
        address: '93.184.216.34',
        port: 443,
      });
      assert.equal(document.network.transport, 'tcp');
      assert.equal('container' in document, false);
      assert.equal('file' in document, false);
      assert.equal(document.process.pid, 4242);
      assert.deepEqual(document.threat.tactic.name, ['Command and Control']);
      assert.deepEqual(document.threat.technique.id, ['T1059.004']);
    });
  });

  describe('OCSF', () => {
    it('has what a Detection Finding requires', () => {
      const finding = parse('ocsf', sampleAlert());
      assert.deepEqual(
        [finding.class_uid, finding.category_uid, finding.activity_id, finding.type_uid],
        [2004, 2, 1, 200401],
      );
      assert.equal(finding.time, Date.parse('2026-11-20T10:00:00.123Z'));
      assert.equal(finding.severity_id, 3);
      assert.equal(finding.metadata.version, '1.4.0');
      assert.equal(finding.metadata.product.vendor_name, 'Tocsin');
      assert.equal(finding.finding_info.title, 'Read sensitive file untrusted');
      assert.equal(finding.finding_info.uid, sampleAlert().id);
      assert.equal(finding.evidences[0].file.path, '/etc/shadow');
      assert.equal(finding.unmapped['proc.cmdline'], 'cat /etc/shadow');
    });

    it('names an image by its id, and else by its name: an image without one is invalid', () => {
      const image = (fields: object) =>
        parse('ocsf', sampleAlert({ output_fields: { ...sampleAlert().output_fields, ...fields } }))
          .evidences[0].process.container.image;
      assert.equal(image({}).uid, 'docker.io/library/nginx');
      assert.equal(image({ 'container.image.tag': '1.27' }).uid, 'docker.io/library/nginx:1.27');
      assert.equal(image({ 'container.image.id': '77af4d6b9913' }).uid, '77af4d6b9913');
    });

    it('closes what no longer fires', () => {
      const alert: ShownAlert = { ...sampleAlert(), status: 'resolved' };
      const finding = parse('ocsf', alert);
      assert.deepEqual([finding.activity_id, finding.type_uid, finding.status_id], [3, 200403, 4]);
      assert.equal(readCef(encode('cef', alert)).extension['outcome'], 'resolved');
      assert.equal(parse('ecs', alert).tocsin.status, 'resolved');
    });

    it('says nothing of what an alert lacks', () => {
      const finding = parse('ocsf', sampleAlert({ output_fields: {}, tags: [] }));
      assert.equal('evidences' in finding, false);
      assert.equal('attacks' in finding.finding_info, false);
    });
  });

  it('keeps what an event said in JSON as it was', () => {
    assert.equal(parse('falco', hostileAlert()).output, HOSTILE.join(' '));
    assert.equal(parse('ecs', hostileAlert()).message, HOSTILE.join(' '));
    assert.equal(parse('ocsf', hostileAlert()).message, HOSTILE.join(' '));
  });

  it('is not misled by fields that are named like parts of an object', () => {
    const fields = JSON.parse('{"__proto__":"x","constructor":"y","proc.name":{"a":1}}');
    for (const name of Object.keys(FORMATS) as FormatName[])
      encode(name, sampleAlert({ output_fields: fields }));
    assert.equal(parse('ecs', sampleAlert({ output_fields: fields })).process.name, '{"a":1}');
  });
});
