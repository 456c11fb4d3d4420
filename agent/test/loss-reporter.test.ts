import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Alert, explainErrors } from '@tocsin/openapi';
import { LossReporter } from '../src/loss-reporter.ts';
import { toAlertLine } from '../src/outputs/alert-line.ts';

describe('LossReporter', () => {
  it('tells losses as one alert a reason and output, with the numbers by priority', () => {
    const raised: Alert[] = [];
    const reporter = new LossReporter({ hostname: 'host-1' }, (alert) => raised.push(alert));
    reporter.add('Debug', 3, 'spool_full');
    reporter.add('Debug', 4, 'spool_full');
    reporter.add('Notice', 1, 'spool_full');
    reporter.add('Error', 2, 'disk_error');
    for (const output of ['stdout', 'syslog', 'stdout'])
      reporter.add('Alert', 1, 'output_full', output);
    reporter.flush();
    reporter.flush();
    assert.deepEqual(
      raised.map(({ output_fields }) => output_fields),
      [
        { 'tocsin.reason': 'spool_full', 'tocsin.lost.debug': 7, 'tocsin.lost.notice': 1 },
        { 'tocsin.reason': 'disk_error', 'tocsin.lost.error': 2 },
        { 'tocsin.reason': 'output_full', 'tocsin.output': 'stdout', 'tocsin.lost.alert': 2 },
        { 'tocsin.reason': 'output_full', 'tocsin.output': 'syslog', 'tocsin.lost.alert': 1 },
      ],
    );
    assert.match(raised[0]?.output ?? '', /Critical 8 alerts were lost: the spool is full/);
    assert.match(
      raised[2]?.output ?? '',
      /Critical 2 alerts were lost: the output stdout does not/,
    );
    for (const alert of raised)
      assert.deepEqual(explainErrors(Alert, JSON.parse(toAlertLine(alert).line)), []);
  });
});
