/** @module The contract between agents, the control plane and their users. */
export { Agent, AgentPublicKey, EnrollRequest, EnrollResponse } from './agent.ts';
export { ALERT_LIMITS, Alert, StoredAlert } from './alert.ts';
export { Channel, ChannelName, SecretReference } from './channel.ts';
export { PROBLEM_CODES, type ProblemCode } from './codes.ts';
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
