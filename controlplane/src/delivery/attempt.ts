/**
 * The memory of the notification at the head of a lane, so that any worker goes on where another stopped. It is written when the head
 * is taken: the entries that make up the notification stay the same under its id whatever is queued behind them, and a worker that was
 * killed in mid-send is known to have left the outcome open.
 */
export interface Attempt {
  /** Id of the first entry: a memory of another head is void. */
  readonly head: string;
  /**
   * How many entries the notification tells at most. While it is first sent: how many there were. Which of them go together follows from
   * these alone, so whoever tries it again tells the same.
   */
  readonly count: number;
  /** Attempts that failed; waiting because the provider said so is none. */
  readonly failures: number;
  /** When it was first tried, ms since the epoch. */
  readonly since: number;
  /** A send is under way, or its worker was killed. */
  readonly sending: boolean;
  /** An earlier attempt may have been received. */
  readonly repeated: boolean;
}

/** The attempt at `head`, or undefined when it was not tried yet. */
export function readAttempt(text: string | null, head: string): Attempt | undefined {
  const attempt = text === null ? undefined : (JSON.parse(text) as Attempt);
  return attempt?.head === head ? attempt : undefined;
}
