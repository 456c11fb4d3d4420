/** @module The one list of formats for machines: a new format is a file and a line here. */
import Type from 'typebox';
import { cef } from './cef.ts';
import { ecs } from './ecs.ts';
import { falco } from './falco.ts';
import type { Format } from './format.ts';
import { leef } from './leef.ts';
import { ocsf } from './ocsf.ts';

export const FORMATS = { falco, ecs, ocsf, cef, leef } as const satisfies Record<string, Format>;
export type FormatName = keyof typeof FORMATS;

/** The setting `format` of a channel. */
export const FormatSetting = Type.Enum(['falco', 'ecs', 'ocsf', 'cef', 'leef'], {
  default: 'falco',
  description: 'How an alert is written.',
});
