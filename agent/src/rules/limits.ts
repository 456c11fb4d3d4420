/** Bounds against files that would eat the agent: far above what rules written by people need. */
export const LIMITS = {
  /** Characters of one file. */
  fileLength: 8 * 1024 * 1024,
  /** YAML nodes of one file, those reached through aliases included. */
  nodes: 500_000,
  /** Nesting of YAML nodes. */
  nodeDepth: 32,
  /** Bytes of one condition after lists are put in. */
  conditionLength: 1024 * 1024,
  /** Bytes of all conditions together after lists are put in. */
  conditionsLength: 64 * 1024 * 1024,
  /** Checks and operators of one condition after macros are put in. */
  conditionSize: 100_000,
  /** Levels of a condition after macros are put in. */
  conditionDepth: 1000,
} as const;
