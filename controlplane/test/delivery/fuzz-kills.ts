/** Workers are killed in mid-send, a thousand times, in two systems beside each other. */
import { runKills } from './kills.ts';

const { KILLS = '1000', SYSTEMS = '2' } = process.env;
process.stdout.write(`${JSON.stringify(await runKills(Number(KILLS), Number(SYSTEMS)))}\n`);
