import { readFile } from 'node:fs/promises';
import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { withinTime } from '../../time-limit.ts';
import type { Json } from '../runtimes/json-value.ts';

/** Where the API of the cluster is, and whose pods are asked for. */
export interface KubernetesSettings {
  /** Such as `https://10.0.0.1:443`. */
  readonly server: string;
  /** Read at each call: it is renewed in place. */
  readonly tokenFile?: string | undefined;
  readonly caFile?: string | undefined;
  /** Name of this node. */
  readonly node: string;
}

/** The API did not do as it was asked. */
export class KubernetesError extends Error {
  override readonly name = 'KubernetesError';
  /** HTTP status, or the code of an event; 0 when none came. */
  readonly status: number;

  constructor(message: string, status = 0) {
    super(message);
    this.status = status;
  }
}

const ANSWER_LIMIT = 32 * 1024 * 1024;
const LINE_LIMIT = 4 * 1024 * 1024;
const DEADLINE_MS = 10_000;
/** A watch is ended by the server before this. */
const WATCH_SECONDS = 290;
const SILENCE_MS = (WATCH_SECONDS + 30) * 1000;

/** Reading calls of the Kubernetes API. */
export class KubernetesApi {
  readonly #settings: KubernetesSettings;
  readonly #signal: AbortSignal;

  constructor(settings: KubernetesSettings, signal: AbortSignal) {
    this.#settings = settings;
    this.#signal = signal;
  }

  /** One object or list. Throws `KubernetesError`. */
  get(path: string): Promise<Json> {
    return withinTime(DEADLINE_MS, this.#signal, (signal) => this.#read(path, signal));
  }

  async #read(path: string, signal: AbortSignal): Promise<Json> {
    const answer = await this.#request(path, signal);
    const parts: Buffer[] = [];
    let length = 0;
    for await (const part of answer as AsyncIterable<Buffer>) {
      length += part.length;
      if (length > ANSWER_LIMIT)
        throw new KubernetesError(`${path}: more than ${ANSWER_LIMIT} bytes`);
      parts.push(part);
    }
    return parse(Buffer.concat(parts).toString('utf8'), path);
  }

  /** Gives each change to `onEvent` until the server ends the watch. Throws `KubernetesError`, and what `onEvent` throws. */
  async watch(path: string, onEvent: (event: Json) => void): Promise<void> {
    const answer = await this.#request(
      `${path}&watch=1&allowWatchBookmarks=true&timeoutSeconds=${WATCH_SECONDS}`,
      this.#signal,
    );
    answer.setTimeout(SILENCE_MS, () => answer.destroy());
    answer.setEncoding('utf8');
    let rest = '';
    for await (const part of answer as AsyncIterable<string>) {
      const lines = (rest + part).split('\n');
      rest = lines.pop() ?? '';
      if (rest.length > LINE_LIMIT) throw new KubernetesError(`${path}: a change is too long`);
      for (const line of lines) if (line.trim() !== '') onEvent(parse(line, path));
    }
  }

  async #request(path: string, signal: AbortSignal): Promise<IncomingMessage> {
    const { server, tokenFile, caFile } = this.#settings;
    const url = new URL(path, server);
    const token = tokenFile && (await readFile(tokenFile, 'utf8')).trim();
    const ca = caFile && (await readFile(caFile));
    const send = url.protocol === 'http:' ? requestHttp : requestHttps;
    const options = {
      signal,
      headers: { accept: 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
      ...(ca && { ca }),
    };
    return new Promise((resolve, reject) => {
      const call = send(url, options, (answer) => {
        const { statusCode = 0 } = answer;
        if (statusCode === 200) return resolve(answer);
        answer.destroy();
        reject(new KubernetesError(`${path}: status ${statusCode}`, statusCode));
      });
      call.setTimeout(DEADLINE_MS, () => call.destroy(new KubernetesError(`${path}: no answer`)));
      call.on('response', () => call.setTimeout(0));
      call.on('error', reject);
      call.end();
    });
  }
}

function parse(text: string, path: string): Json {
  try {
    return JSON.parse(text);
  } catch {
    throw new KubernetesError(`${path}: the answer is no JSON`);
  }
}
