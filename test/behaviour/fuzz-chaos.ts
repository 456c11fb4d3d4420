/** A minute of load while replicas and Redis are killed at random. */
import { runChaos } from './chaos.ts';

const { CHAOS_SECONDS = '60' } = process.env;
const report = await runChaos(Number(CHAOS_SECONDS), 6);
process.stdout.write(`${JSON.stringify(report)}\n`);
