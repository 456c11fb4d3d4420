import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ALERT_LIMITS, Alert, explainErrors } from '@tocsin/openapi';
import { toAlertLine } from '../../src/outputs/alert-line.ts';
import { makeAlert } from '../support/alerts.ts';

describe('toAlertLine', () => {
  it('writes 64-bit integers with all digits', () => {
    const alert = makeAlert({
      output_fields: { 'evt.time': 1470327477881781397n, n: -5n, s: '7' },
    });
    const { line, isShortened } = toAlertLine(alert);
    assert.match(line, /"output_fields":\{"evt.time":1470327477881781397,"n":-5,"s":"7"\}/);
    assert.equal(isShortened, false);
  });

  it('leaves nothing in the line that would move the cursor of a terminal', () => {
    const evil = '\u001b[2J\u007f\u009b2J\n';
    const alert = makeAlert({ output: evil, output_fields: { [evil]: evil } });
    const { line } = toAlertLine(alert);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not be there.
    assert.doesNotMatch(line, /[\x00-\x1f\x7f-\x9f]/);
    assert.deepEqual(JSON.parse(line), alert);
  });

  it('leaves an alert alone that fits', () => {
    const alert = makeAlert();
    assert.deepEqual(JSON.parse(toAlertLine(alert).line), alert);
  });

  for (const [name, changes] of Object.entries({
    rule: { rule: 'r'.repeat(1000) },
    output: { output: '\u{1F514}'.repeat(60_000) },
    tags: { tags: Array.from({ length: 100 }, () => 't'.repeat(1000)) },
    'many fields': {
      output_fields: Object.fromEntries(Array.from({ length: 1000 }, (_, n) => [`f${n}`, n])),
    },
    'long fields': {
      output_fields: Object.fromEntries(
        Array.from({ length: 250 }, (_, n) => [`f${n}`, '\u0001'.repeat(9000)]),
      ),
    },
  })) {
    it(`shortens what the control plane would refuse: ${name}`, () => {
      const { line, isShortened } = toAlertLine(makeAlert(changes));
      assert.equal(isShortened, true);
      assert.ok(Buffer.byteLength(line) <= ALERT_LIMITS.lineBytes);
      assert.deepEqual(explainErrors(Alert, JSON.parse(line)), []);
    });
  }
});
