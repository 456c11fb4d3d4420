/** What one check of the doctor found. */
export interface Finding {
  readonly check: string;
  /** With a `failed` the agent cannot do its work; with a `warning` it works, but less well. */
  readonly status: 'ok' | 'warning' | 'failed';
  /** What is so, in plain words. */
  readonly detail: string;
  /** How to mend it. */
  readonly remedy?: string;
  /** Evidence, such as the last lines of the kernel's verifier. */
  readonly lines?: readonly string[];
}

export const ok = (check: string, detail: string): Finding => ({ check, status: 'ok', detail });

export const warning = (check: string, detail: string, remedy: string): Finding => ({
  check,
  status: 'warning',
  detail,
  remedy,
});

export const failed = (check: string, detail: string, remedy: string): Finding => ({
  check,
  status: 'failed',
  detail,
  remedy,
});
