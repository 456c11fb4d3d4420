import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { renderMail } from '../../src/delivery/channels/email/render.ts';
import { renderMessage } from '../../src/delivery/channels/slack/render.ts';
import { factsOf, messageOf } from '../../src/delivery/presentation.ts';
import { sampleAlert, sampleNotification } from './sample.ts';

describe('what people read of an alert', () => {
  it('does not repeat the time and priority that the output leads with', () => {
    const said = (output: string) => messageOf(sampleAlert({ output, priority: 'Warning' }));
    assert.equal(said('10:00:00.123456789: Warning A shell (x)'), 'A shell (x)');
    assert.equal(said('2026-11-20T10:00:00.123456789+0000: Warning A shell'), 'A shell');
    for (const other of [
      'A shell',
      '10:00:00.123456789: Critical A shell',
      '10:00:00.123456789: Warning ',
      'at 10:00:00.123456789: Warning A shell',
    ]) {
      assert.equal(said(other), other);
    }
  });

  it('shows no fact whose value is blank: Discord refuses a message for one', () => {
    const blank = { 'proc.cmdline': '  ', 'user.name': '\u00a0', 'proc.pname': ' a' };
    const facts = factsOf(sampleAlert({ output_fields: blank, tags: [] }));
    assert.deepEqual(
      facts.map(({ label }) => label),
      ['Host', 'Parent', 'Seen'],
    );
  });

  it('says so on every channel for people', () => {
    const alert = sampleAlert({ output: '10:00:00.123456789: Warning A shell (x)' });
    const notification = sampleNotification({ alerts: [alert] });
    const { text, html } = renderMail(notification, 'example.org');
    for (const told of [text, html, JSON.stringify(renderMessage(notification))]) {
      assert.match(told, /A shell/);
      assert.doesNotMatch(told, /10:00:00\.123456789/);
    }
  });
});
