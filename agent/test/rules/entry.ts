/** The agent's commands, for tests that run them as a process. */
import { main } from '../../src/main.ts';

await main(process.argv);
