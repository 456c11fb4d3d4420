/** @module Channel kind `none`: nobody is told, on purpose; what a route sends here is still counted. */
import Type from 'typebox';
import type { ChannelKind } from '../../channel.ts';
import { ok } from '../../outcome.ts';

export const noneKind: ChannelKind = {
  kind: 'none',
  settings: Type.Object({}, { additionalProperties: false, description: 'It has no settings.' }),
  origin: 'any',
  create: () => ({
    send: () => Promise.resolve(ok('nobody is told, as configured')),
    preview: () => [],
    close: () => Promise.resolve(),
  }),
};
