/** Something outside of this program is not as it must be; the message says what and what to do, and no stack is shown. */
export class ExpectedError extends Error {}
