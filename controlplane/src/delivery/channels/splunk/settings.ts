import { SecretReference } from '@tocsin/openapi';
import Type from 'typebox';
import { HTTP_SETTINGS, HttpUrl } from '../../http/settings.ts';

const name = (description: string) => Type.String({ minLength: 1, maxLength: 200, description });

/** Settings of a `splunk` channel. */
export const SplunkSettings = Type.Object(
  {
    url: HttpUrl('Of the HTTP Event Collector, without `/services/collector`.'),
    token: SecretReference,
    index: Type.Optional(name('Index; the default one of the token unless given.')),
    source: Type.Optional(Type.String({ ...name('Source.'), default: 'tocsin' })),
    sourcetype: Type.Optional(Type.String({ ...name('Source type.'), default: 'tocsin:alert' })),
    format: Type.Optional(
      Type.Enum(['falco', 'ecs', 'ocsf', 'cef', 'leef'], {
        default: 'falco',
        description: 'How an event is written.',
      }),
    ),
    ...HTTP_SETTINGS,
  },
  { additionalProperties: false, description: "Events for Splunk's HTTP Event Collector." },
);
export type SplunkSettings = Type.Static<typeof SplunkSettings>;
