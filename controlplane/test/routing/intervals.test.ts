import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TimeIntervalSpec } from '@tocsin/openapi';
import { checkInterval, compileInterval } from '../../src/routing/intervals.ts';

const contains = (spec: TimeIntervalSpec, at: string) =>
  compileInterval({ name: 'x', time_intervals: [spec] }).contains(new Date(at));

test('an interval contains a time when every key that it gives fits', () => {
  const cases: [TimeIntervalSpec, string, boolean][] = [
    [{}, '2026-01-05T00:00:00Z', true],
    [{ times: [{ start_time: '09:00', end_time: '17:00' }] }, '2026-01-05T09:00:00Z', true],
    [{ times: [{ start_time: '09:00', end_time: '17:00' }] }, '2026-01-05T16:59:59Z', true],
    [{ times: [{ start_time: '09:00', end_time: '17:00' }] }, '2026-01-05T17:00:00Z', false],
    [{ times: [{ start_time: '22:00', end_time: '24:00' }] }, '2026-01-05T23:59:00Z', true],
    [{ times: [] }, '2026-01-05T09:00:00Z', false],
    [{ weekdays: ['monday:friday'] }, '2026-01-05T09:00:00Z', true],
    [{ weekdays: ['Saturday', 'SUNDAY'] }, '2026-01-04T09:00:00Z', true],
    [{ weekdays: ['monday:friday'] }, '2026-01-04T09:00:00Z', false],
    [{ days_of_month: ['-1'] }, '2028-02-29T12:00:00Z', true],
    [{ days_of_month: [-3, 1] }, '2026-02-26T12:00:00Z', true],
    [{ days_of_month: ['30:31'] }, '2026-02-28T12:00:00Z', false],
    [{ days_of_month: ['25:31'] }, '2026-02-28T12:00:00Z', true],
    [{ days_of_month: ['1:-1'] }, '2026-02-14T12:00:00Z', true],
    [{ days_of_month: ['-31:-30'] }, '2026-04-01T12:00:00Z', true],
    [{ months: ['january:march', '12'] }, '2026-12-01T12:00:00Z', true],
    [{ months: [4] }, '2026-03-31T23:59:59Z', false],
    [{ years: ['2026:2027'] }, '2028-01-01T00:00:00Z', false],
    [{ years: [2026], months: ['may'], days_of_month: [1] }, '2026-05-01T00:00:00Z', true],
    // Berlin is an hour ahead in winter and two in summer.
    [
      { times: [{ start_time: '08:00', end_time: '09:00' }], location: 'Europe/Berlin' },
      '2026-01-05T07:30:00Z',
      true,
    ],
    [
      { times: [{ start_time: '08:00', end_time: '09:00' }], location: 'Europe/Berlin' },
      '2026-07-06T06:30:00Z',
      true,
    ],
    // The hour that spring leaves out, and the one that autumn has twice.
    [
      { times: [{ start_time: '03:00', end_time: '04:00' }], location: 'Europe/Berlin' },
      '2026-03-29T01:00:00Z',
      true,
    ],
    [
      { times: [{ start_time: '02:00', end_time: '03:00' }], location: 'Europe/Berlin' },
      '2026-10-25T00:30:00Z',
      true,
    ],
    [
      { times: [{ start_time: '02:00', end_time: '03:00' }], location: 'Europe/Berlin' },
      '2026-10-25T01:30:00Z',
      true,
    ],
    // Months with a change of the clock have all their days.
    [{ days_of_month: [-1], location: 'Europe/Berlin' }, '2026-03-31T12:00:00Z', true],
    [{ days_of_month: [-1], location: 'America/New_York' }, '2026-03-31T12:00:00Z', true],
    [{ weekdays: ['tuesday'], location: 'Asia/Kathmandu' }, '2026-01-05T18:15:00Z', true],
    [{ weekdays: ['monday'], location: 'Asia/Kathmandu' }, '2026-01-05T18:14:59Z', true],
  ];
  for (const [spec, at, wanted] of cases)
    assert.equal(contains(spec, at), wanted, `${JSON.stringify(spec)} at ${at}`);
});

test('all keys together, and evenings and weekends in Sydney across its changes of the clock', () => {
  const office: TimeIntervalSpec = {
    weekdays: ['monday:wednesday', 'saturday', 'sunday'],
    times: [{ start_time: '13:00', end_time: '15:00' }],
    ...{ days_of_month: ['1', '10', '20:-1'], months: ['january:march'], years: ['2020:2023'] },
  };
  const cases: [string, boolean][] = [
    ['2021-01-10T13:00:00Z', true],
    ['2021-01-30T14:24:00Z', true],
    ['2021-01-09T13:00:00Z', false],
    ['2021-01-20T12:59:00Z', false],
    ['2021-02-02T13:00:00Z', false],
    ['2024-01-10T13:00:00Z', false],
  ];
  for (const [at, wanted] of cases) assert.equal(contains(office, at), wanted, at);

  const location = 'Australia/Sydney';
  const evenings: TimeIntervalSpec = {
    location,
    times: [
      { start_time: '00:00', end_time: '09:00' },
      { start_time: '17:00', end_time: '24:00' },
    ],
  };
  const weekends: TimeIntervalSpec = { location, weekdays: ['saturday', 'sunday'] };
  const sydney: [string, string][] = [
    ['2024-01-01T00:00:00+11:00', 'evenings'],
    ['2024-01-01T09:00:00+11:00', ''],
    ['2024-01-06T10:00:00+11:00', 'weekends'],
    ['2024-01-06T17:00:00+11:00', 'evenings weekends'],
    ['2024-01-01T10:00:00Z', 'evenings'],
    ['2024-01-06T10:00:00Z', 'evenings weekends'],
    // Sunday, and the hour from two is there twice; then Monday begins an hour later.
    ['2024-04-06T12:59:59Z', 'evenings weekends'],
    ['2024-04-07T13:59:59Z', 'evenings weekends'],
    ['2024-04-07T14:00:00Z', 'evenings'],
    ['2024-04-07T22:59:59Z', 'evenings'],
    ['2024-04-07T23:00:00Z', ''],
    // The hour from two is left out: at nine it is an hour less since midnight.
    ['2024-10-05T21:59:59Z', 'evenings weekends'],
    ['2024-10-05T22:00:00Z', 'weekends'],
    ['2024-10-06T13:00:00Z', 'evenings'],
  ];
  for (const [at, wanted] of sydney) {
    const names = Object.entries({ evenings, weekends }).flatMap(([name, spec]) =>
      contains(spec, at) ? [name] : [],
    );
    assert.equal(names.join(' '), wanted, at);
  }
});

test('an interval with several parts contains what one of them does', () => {
  const parts = [{ months: ['may'] }, { weekdays: ['monday'] }];
  const both = compileInterval({ name: 'x', time_intervals: parts });
  assert.equal(both.contains(new Date('2026-01-05T00:00:00Z')), true);
  assert.equal(both.contains(new Date('2026-01-06T00:00:00Z')), false);
  assert.equal(compileInterval({ name: 'x', time_intervals: [] }).contains(new Date(0)), false);
});

test('what cannot be is refused, with its place', () => {
  const wrong: [TimeIntervalSpec, string, RegExp][] = [
    [{ times: [{ start_time: '9:00', end_time: '17:00' }] }, 'times/0', /'9:00' is not HH:MM/],
    [{ times: [{ start_time: '24:01', end_time: '24:00' }] }, 'times/0', /not HH:MM/],
    [{ times: [{ start_time: '22:00', end_time: '06:00' }] }, 'times/0', /two ranges/],
    [{ times: [{ start_time: '06:00', end_time: '06:00' }] }, 'times/0', /is not before/],
    [{ weekdays: ['friday:monday'] }, 'weekdays/0', /ends before it begins/],
    [{ weekdays: ['mon'] }, 'weekdays/0', /neither a value nor a range/],
    [{ days_of_month: [0] }, 'days_of_month/0', /no day/],
    [{ days_of_month: ['1', '32'] }, 'days_of_month/1', /no day/],
    [{ days_of_month: ['-3:3'] }, 'days_of_month/0', /negative/],
    [{ days_of_month: ['-1:-5'] }, 'days_of_month/0', /ends before/],
    [{ days_of_month: ['29:-2'] }, 'days_of_month/0', /ends before/],
    [{ months: ['13'] }, 'months/0', /neither/],
    [{ months: ['march:january'] }, 'months/0', /ends before/],
    [{ years: ['2027:2026'] }, 'years/0', /ends before/],
    [{ years: ['1:2:3'] }, 'years/0', /neither/],
    [{ location: 'Mars/Base' }, 'location', /no time zone/],
    [{ location: '+01:00' }, 'location', /no time zone/],
  ];
  for (const [spec, place, message] of wrong) {
    const complaints = checkInterval({ name: 'x', time_intervals: [spec] }, '/t');
    assert.equal(complaints[0]?.pointer, `/t/time_intervals/0/${place}`, JSON.stringify(spec));
    assert.match(complaints[0]?.message ?? '', message);
  }
});
