import pino from 'pino';
import { type AppParts, buildApp } from '../app.ts';
import { apiDocument } from './openapi.ts';

/** The OpenAPI document without a running control plane: routes describe themselves before any part is used. */
export async function apiDocumentOfRoutes(): Promise<string> {
  const unused = new Proxy({}, { get: () => undefined });
  const app = await buildApp({
    ...({ tokens: unused, metrics: unused } as unknown as AppParts),
    logger: pino({ level: 'silent' }),
  });
  try {
    return apiDocument(app);
  } finally {
    await app.close();
  }
}
