/** A thread that posts bodies to one address as fast as answers come, `parallel` at a time: the least that a delivery can cost. */
import { Agent, request } from 'node:http';
import { parentPort, workerData } from 'node:worker_threads';

const { url, body, count, parallel } = workerData as {
  url: string;
  body: string;
  count: number;
  parallel: number;
};
const agent = new Agent({ keepAlive: true, maxSockets: parallel });
const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
const post = () =>
  new Promise<void>((resolve, reject) => {
    const sent = request(url, { method: 'POST', agent, headers }, (response) => {
      response.resume().on('end', resolve);
    });
    sent.on('error', reject).end(body);
  });
let left = count;
const begin = performance.now();
await Promise.all(
  Array.from({ length: parallel }, async () => {
    while (left-- > 0) await post();
  }),
);
parentPort?.postMessage((performance.now() - begin) / 1000);
agent.destroy();
