/** The HTTP application: routes over parts that are passed in. It opens nothing by itself. */
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify';
import { describeApi, serveApiDocument } from './api/openapi.ts';
import { handleProblems, refuseConnection, sendProblem } from './api/problems.ts';
import { agentRoutes, enrollRoutes } from './api/routes/agents.ts';
import { alertRoutes } from './api/routes/alerts.ts';
import { type ChannelRoutesOptions, channelRoutes } from './api/routes/channels.ts';
import { type HealthRoutesOptions, healthRoutes } from './api/routes/health.ts';
import { ingestRoutes } from './api/routes/ingest.ts';
import { validatorCompiler } from './api/validator.ts';
import { requireRole } from './auth/bearer.ts';
import type { Enrollment } from './fleet/enrollment.ts';
import type { Ingest } from './ingest/ingest.ts';
import type { AlertStore } from './store/alerts.ts';
import type { TokenStore } from './store/tokens.ts';

export interface AppParts extends ChannelRoutesOptions, HealthRoutesOptions {
  readonly ingest: Ingest;
  readonly alerts: AlertStore;
  readonly enrollment: Enrollment;
  readonly tokens: TokenStore;
  readonly logger: FastifyBaseLogger;
}

const BODY_LIMIT = 256 * 1024;
const REQUEST_MS = 30_000;

/** Builds the application; it does not listen yet. */
export async function buildApp(parts: AppParts): Promise<FastifyInstance> {
  const app = fastify({
    loggerInstance: parts.logger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: BODY_LIMIT,
    requestTimeout: REQUEST_MS,
    // Idle connections of agents do not keep us from stopping; those at work are waited for.
    forceCloseConnections: 'idle',
    frameworkErrors: sendProblem,
    clientErrorHandler: refuseConnection,
  }).withTypeProvider<TypeBoxTypeProvider>();
  app.setValidatorCompiler(validatorCompiler);
  handleProblems(app);
  await describeApi(app);
  serveApiDocument(app);
  await app.register(healthRoutes, parts);
  await app.register(ingestRoutes, parts);
  await app.register(enrollRoutes, parts);
  await app.register(async (admin) => {
    admin.addHook('onRequest', requireRole(parts.tokens, 'admin'));
    await admin.register(alertRoutes, parts);
    await admin.register(agentRoutes, parts);
    await admin.register(channelRoutes, parts);
  });
  await app.ready();
  return app;
}
