import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Alert, explainErrors } from '@tocsin/openapi';
import { LossReporter } from '../src/loss-reporter.ts';
import { toAlertLine } from '../src/outputs/alert-line.ts';

describe('LossReporter', () => {
  it('tells losses as one alert a reason, with the numbers by priority', () => {
    const raised: Alert[] = [];
    const reporter = new LossReporter({ hostname: 'host-1' }, (alert) => raised.push(alert));
    reporter.add('Debug', 3, 'spool_full');
    reporter.add('Debug', 4, 'spool_full');
    reporter.add('Notice', 1, 'spool_full');
    reporter.add('Error', 2, 'disk_error');
    reporter.flush();
    reporter.flush();
    assert.deepEqual(
      raised.map(({ output_fields }) => output_fields),
      [
        { 'tocsin.reason': 'spool_full', 'tocsin.lost.debug': 7, 'tocsin.lost.notice': 1 },
        { 'tocsin.reason': 'disk_error', 'tocsin.lost.error': 2 },
      ],
    );
    assert.match(raised[0]?.output ?? '', /Critical 8 alerts were lost: the spool is full/);
    for (const alert of raised)
      assert.deepEqual(explainErrors(Alert, JSON.parse(toAlertLine(alert).line)), []);
  });
});
