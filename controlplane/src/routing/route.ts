import { type Alert, type Channel, isAtLeast, type Priority, parsePriority } from '@tocsin/openapi';

/** What routing needs to know of a channel. */
export type RoutedChannel = Pick<Channel, 'name' | 'minimum_priority'>;

/** Decides from the definitions of the channels alone where an alert is told. */
export class Router {
  readonly #byPriority = new Map<Priority, readonly number[]>();
  readonly #minimums: readonly Priority[];

  constructor(channels: readonly RoutedChannel[]) {
    this.#minimums = channels.map(
      ({ minimum_priority }) => parsePriority(String(minimum_priority)) ?? 'Debug',
    );
  }

  /** Positions of the channels, in the order in which they were given. */
  route(alert: Pick<Alert, 'priority'>): readonly number[] {
    const { priority } = alert;
    let positions = this.#byPriority.get(priority);
    if (!positions) {
      positions = this.#minimums.flatMap((minimum, position) =>
        isAtLeast(priority, minimum) ? [position] : [],
      );
      this.#byPriority.set(priority, positions);
    }
    return positions;
  }
}

/** The channels and a router over them, in the same order. */
export interface RoutingTable {
  readonly channels: readonly Channel[];
  readonly router: Router;
  /** Version of the channels that this table was made from. */
  readonly version: string;
}
