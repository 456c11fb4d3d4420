/** @module The contract between agents, the control plane and their users. */
export { Agent, AgentPublicKey, EnrollRequest, EnrollResponse } from './agent.ts';
export { ALERT_LIMITS, Alert, StoredAlert } from './alert.ts';
export { Channel, ChannelName, SecretReference, ShownChannel } from './channel.ts';
export { PROBLEM_CODES, type ProblemCode } from './codes.ts';
export { Config } from './config.ts';
export { DURATION_PATTERN, parseDuration } from './duration.ts';
export {
  type BatchClaims,
  EnvelopeError,
  readClaims,
  SIGNATURE_HEADER,
  SIGNATURE_TOLERANCE_SECONDS,
  signBatch,
  verifyBatch,
} from './envelope.ts';
export { isAtLeast, PRIORITIES, type Priority, parsePriority, severityOf } from './priority.ts';
export { Problem, problemOf } from './problem.ts';
export {
  explainErrors,
  keysOf,
  loadSettings,
  SettingsError,
  type SettingsProblem,
  type SettingsSources,
  type ValueProblem,
  variableOf,
} from './settings.ts';
