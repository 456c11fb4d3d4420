import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { cut, escapeHtml, jsonLine, printable } from '../../src/delivery/text.ts';

const anyText = fc.string({ unit: 'binary', maxLength: 200 });

describe('text that an event chose', () => {
  it('shows what cannot be printed as escapes', () => {
    assert.equal(
      printable('a\r\nBcc: x\t\u001b[31m\u0000\u202e\ud800\u{e0041}', 200),
      'a\\r\\nBcc: x\\t\\x1b[31m\\x00\\u202e\\ud800\\u{e0041}',
    );
    assert.equal(printable('naïve 日本 🚨', 200), 'naïve 日本 🚨');
  });

  it('is printable, on one line and bounded, whatever it was', () => {
    fc.assert(
      fc.property(anyText, fc.integer({ min: 1, max: 100 }), (text, max) => {
        const shown = printable(text, max);
        assert.doesNotMatch(shown, /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
        assert.ok(shown.length <= max);
      }),
    );
    assert.equal(cut('ab🚨', 3), 'ab…');
  });

  it('survives JSON lines unchanged, without anything a terminal acts on', () => {
    fc.assert(
      fc.property(fc.dictionary(anyText, anyText), (value) => {
        const line = jsonLine(value);
        assert.doesNotMatch(line, /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
        assert.deepEqual(JSON.parse(line), JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  it('is only text in HTML', () => {
    fc.assert(fc.property(anyText, (text) => assert.doesNotMatch(escapeHtml(text), /[<>"']/)));
  });
});
