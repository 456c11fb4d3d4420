/** The HTTP application: routes over parts that are passed in. It opens nothing by itself. */
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
} from 'fastify';
import { describeApi, serveApiDocument } from './api/openapi.ts';
import { handleProblems, refuseConnection, sendProblem } from './api/problems.ts';
import { agentRoutes, enrollRoutes } from './api/routes/agents.ts';
import {
  type AlertmanagerRoutesOptions,
  alertmanagerIntake,
  alertmanagerRoutes,
} from './api/routes/alertmanager.ts';
import { alertRoutes } from './api/routes/alerts.ts';
import { type ChannelRoutesOptions, channelRoutes } from './api/routes/channels.ts';
import { type DeliveryRoutesOptions, deliveryRoutes } from './api/routes/deliveries.ts';
import { falcoRoutes } from './api/routes/falco.ts';
import { type GroupRoutesOptions, groupRoutes } from './api/routes/groups.ts';
import { type HealthRoutesOptions, healthRoutes } from './api/routes/health.ts';
import { ingestRoutes } from './api/routes/ingest.ts';
import { type RoutingRoutesOptions, routingRoutes } from './api/routes/routing.ts';
import { silenceRoutes } from './api/routes/silences.ts';
import { tokenRoutes } from './api/routes/tokens.ts';
import { validatorCompiler } from './api/validator.ts';
import { isLocalProgram, requireRole, tokenOfProgram } from './auth/bearer.ts';
import { Tokens } from './auth/tokens.ts';
import type { Enrollment } from './fleet/enrollment.ts';
import type { RecentAlert } from './silences/recent.ts';
import type { AlertStore } from './store/alerts.ts';
import type { TokenStore } from './store/tokens.ts';

export interface AppParts
  extends Omit<ChannelRoutesOptions, 'delivery'>,
    Omit<DeliveryRoutesOptions, 'delivery'>,
    GroupRoutesOptions,
    HealthRoutesOptions,
    AlertmanagerRoutesOptions,
    RoutingRoutesOptions {
  readonly delivery: ChannelRoutesOptions['delivery'] & DeliveryRoutesOptions['delivery'];
  /** Programs on this machine need no token to hand in alerts, read and silence. */
  readonly trustLoopback: boolean;
  readonly recent: (since?: number) => Promise<readonly RecentAlert[]>;
  readonly alerts: AlertStore;
  readonly enrollment: Enrollment;
  readonly tokens: TokenStore;
  readonly logger: FastifyBaseLogger;
}

const BODY_LIMIT = 256 * 1024;
/** What operators change and readers read. */
const READ_BY_MORE = { role: 'operator', reading: 'reader' } as const;
const REQUEST_MS = 30_000;

/** Clients that call each body JSON may send none where none is needed. */
function takeEmptyBodies(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error');
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) =>
    body === '' ? done(null, undefined) : parse(request, body as string, done),
  );
}

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
  takeEmptyBodies(app);
  handleProblems(app);
  await describeApi(app);
  serveApiDocument(app);
  await app.register(healthRoutes, parts);
  await app.register(ingestRoutes, parts);
  await app.register(enrollRoutes, parts);
  const program = (roles: Parameters<typeof requireRole>[1]) => {
    const check = requireRole(parts.tokens, roles, tokenOfProgram);
    return async function (this: FastifyInstance, request: FastifyRequest, reply: FastifyReply) {
      if (parts.trustLoopback && tokenOfProgram(request) === undefined && isLocalProgram(request))
        return;
      await check.call(this, request, reply);
    };
  };
  await app.register(async (intake) => {
    intake.addHook('onRequest', program({ role: 'intake' }));
    await intake.register(falcoRoutes, parts);
    await intake.register(alertmanagerIntake, parts);
  });
  await app.register(async (operator) => {
    operator.addHook('onRequest', program(READ_BY_MORE));
    await operator.register(alertmanagerRoutes, parts);
  });
  await app.register(async (operator) => {
    operator.addHook('onRequest', requireRole(parts.tokens, READ_BY_MORE));
    await operator.register(alertRoutes, parts);
    await operator.register(groupRoutes, parts);
    await operator.register(silenceRoutes, parts);
  });
  await app.register(async (admin) => {
    admin.addHook('onRequest', requireRole(parts.tokens, { role: 'admin' }));
    await admin.register(agentRoutes, parts);
    await admin.register(channelRoutes, parts);
    await admin.register(deliveryRoutes, parts);
    await admin.register(routingRoutes, parts);
    await admin.register(tokenRoutes, { issuer: new Tokens(parts.tokens) });
  });
  await app.ready();
  return app;
}
