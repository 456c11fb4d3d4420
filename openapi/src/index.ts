/** @module The contract between agents, the control plane and their users. */
export { Agent, AgentPublicKey, EnrollRequest, EnrollResponse } from './agent.ts';
export { ALERT_LIMITS, Alert, ExternalAlert, StoredAlert } from './alert.ts';
export {
  Channel,
  ChannelEntry,
  ChannelName,
  digestIntervalMs,
  SecretReference,
  ShownChannel,
} from './channel.ts';
export { PROBLEM_CODES, type ProblemCode } from './codes.ts';
export { Config } from './config.ts';
export { DURATION_PATTERN, formatDuration, parseDuration } from './duration.ts';
export {
  type BatchClaims,
  EnvelopeError,
  readClaims,
  SIGNATURE_HEADER,
  SIGNATURE_TOLERANCE_SECONDS,
  signBatch,
  verificationKey,
  verifyBatch,
} from './envelope.ts';
export { isAtLeast, PRIORITIES, type Priority, parsePriority, severityOf } from './priority.ts';
export { Problem, problemOf } from './problem.ts';
export {
  InhibitRuleConfig,
  type RouteConfig,
  RouteNode,
  RoutingDocument,
  RoutingVersion,
  RoutingVersionInfo,
  TimeIntervalConfig,
  TimeIntervalSpec,
} from './routing.ts';
export {
  type Complaint,
  escapePointer,
  explainErrors,
  keysOf,
  loadSettings,
  SettingsError,
  type SettingsProblem,
  type SettingsSources,
  variableOf,
} from './settings.ts';
export { Silence, SilencePreviewRequest, SilenceRequest } from './silence.ts';
export { readAsGoDoes } from './yaml.ts';
