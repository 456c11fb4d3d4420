/** Workers are killed in mid-send, a thousand times. */
import { runKills } from './kills.ts';

const { KILLS = '1000' } = process.env;
process.stdout.write(`${JSON.stringify(await runKills(Number(KILLS)))}\n`);
