import { type Committed, type FlushCommit, GroupStore } from '../../src/store/groups.ts';

/** A store in which something happens between the decision of a flush and its commit. */
export class Interleaved extends GroupStore {
  meanwhile: (() => Promise<unknown>) | undefined;

  override async commit(commit: FlushCommit): Promise<Committed> {
    const { meanwhile } = this;
    this.meanwhile = undefined;
    await meanwhile?.();
    return super.commit(commit);
  }
}
