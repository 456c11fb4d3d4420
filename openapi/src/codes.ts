/** Every problem the HTTP API can answer with: its HTTP status and what it means. Codes are API: never reuse a retired one. */
export const PROBLEM_CODES = {
  bad_request: [400, 'The request could not be read.'],
  validation_failed: [
    400,
    'The body, query or path does not fit the schema; `errors` points at each place.',
  ],
  batch_unreadable: [400, 'The batch is not newline-delimited JSON, or its compression is broken.'],
  alert_invalid: [400, 'A line of the batch is not a valid alert; `errors` points at each.'],
  unauthorized: [401, 'A bearer token is needed, and this one is missing or unknown.'],
  signature_missing: [401, 'The batch carries no Tocsin-Signature header.'],
  signature_invalid: [401, 'The signature does not fit the bytes that were received.'],
  agent_unknown: [401, 'No enrolled agent has this key.'],
  batch_stale: [
    401,
    'The signature was made too long ago, or in the future: check the clock of the host.',
  ],
  audience_mismatch: [401, 'The signature was made for another control plane.'],
  join_token_invalid: [401, 'The join token is unknown, used or expired.'],
  agent_revoked: [403, 'This agent was revoked.'],
  forbidden: [403, 'The token may not do this.'],
  not_found: [404, 'There is no such resource.'],
  method_not_allowed: [405, 'The resource has no such method; see Allow.'],
  request_timeout: [408, 'The request did not come whole in time.'],
  channel_exists: [409, 'A channel of this name exists.'],
  channel_in_use: [409, 'Another channel or a route names the channel.'],
  channel_read_only: [
    409,
    'The channel is defined in the configuration file and is changed there.',
  ],
  routing_read_only: [409, 'The configuration file alone decides on routing.'],
  sequence_conflict: [409, 'Another body was accepted under this sequence number.'],
  sequence_stale: [409, 'The sequence number is older than what is remembered of this agent.'],
  version_conflict: [412, 'Somebody else changed it: If-Match names another version.'],
  body_too_large: [413, 'The body is larger than allowed.'],
  media_type_unsupported: [415, 'The content type or encoding is not one this resource takes.'],
  channel_kind_file_only: [
    422,
    'Channels of this kind are only taken from the configuration file.',
  ],
  preview_failed: [422, 'The channel cannot make this message; `detail` says why.'],
  version_missing: [428, 'If-Match must name the version that is changed.'],
  headers_too_large: [431, 'The headers are larger than allowed.'],
  rate_limited: [429, 'Too many requests; see Retry-After.'],
  internal: [500, 'The control plane failed; the log tells more under the request id.'],
  store_unavailable: [503, 'Redis does not answer or does not take writes; see Retry-After.'],
} as const satisfies Record<string, readonly [number, string]>;

export type ProblemCode = keyof typeof PROBLEM_CODES;
