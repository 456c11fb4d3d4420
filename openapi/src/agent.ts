import Type from 'typebox';

/** An Ed25519 public key as a JWK (RFC 8037). */
export const AgentPublicKey = Type.Object(
  {
    kty: Type.Literal('OKP'),
    crv: Type.Literal('Ed25519'),
    x: Type.String({ pattern: '^[A-Za-z0-9_-]{43}$', description: 'The key, base64url.' }),
  },
  { $id: 'AgentPublicKey', additionalProperties: false },
);
export type AgentPublicKey = Type.Static<typeof AgentPublicKey>;

export const EnrollRequest = Type.Object(
  {
    join_token: Type.String({ minLength: 16, maxLength: 256 }),
    hostname: Type.String({ minLength: 1, maxLength: 255 }),
    version: Type.String({ maxLength: 64 }),
    public_key: AgentPublicKey,
  },
  { $id: 'EnrollRequest', additionalProperties: false },
);
export type EnrollRequest = Type.Static<typeof EnrollRequest>;

export const EnrollResponse = Type.Object(
  {
    agent: Type.String({ description: 'Id of the agent.' }),
    kid: Type.String({ description: 'RFC 7638 thumbprint of the key; goes into each signature.' }),
    audience: Type.String({ description: 'What signatures must name as `aud`.' }),
  },
  { $id: 'EnrollResponse' },
);
export type EnrollResponse = Type.Static<typeof EnrollResponse>;

/** An enrolled agent. */
export const Agent = Type.Object(
  {
    agent: Type.String(),
    hostname: Type.String(),
    version: Type.String(),
    kid: Type.String(),
    enrolled_at: Type.String({ format: 'date-time' }),
    last_seen: Type.Union([Type.String({ format: 'date-time' }), Type.Null()]),
    last_sequence: Type.Integer({ minimum: 0 }),
    alerts: Type.Integer({ minimum: 0, description: 'Alerts accepted from it.' }),
    revoked: Type.Boolean(),
  },
  { $id: 'Agent' },
);
export type Agent = Type.Static<typeof Agent>;
