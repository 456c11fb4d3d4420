import { mkdtempSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Config, loadSettings } from '@tocsin/openapi';
import pino from 'pino';
import { type ControlPlane, startControlPlane } from '../../src/control-plane.ts';
import type { DeliveryOptions, RunningDelivery } from '../../src/delivery/delivery.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: answers are asserted on, not trusted
  readonly body: any;
}

export interface TestControlPlane extends ControlPlane {
  readonly dataDir: string;
  readonly adminToken: string;
  /** Calls the API as admin; `token: undefined` sends none. */
  call(
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<Answer>;
}

/** Delivery that drains nothing, so that tests see what admission leaves in the lanes. */
export const noDelivery = (_options: DeliveryOptions): RunningDelivery => ({
  testSend: async (channel) => ({ result: 'ok', detail: `asked ${channel.name}` }),
  preview: async () => [],
  trySender: async () => {},
  retryNow: async () => {},
  wake: () => false,
  stop: async () => {},
});

/** A temp folder that is removed after the test. */
export function tempFolder(t: { after(fn: () => void): void }): string {
  const folder = mkdtempSync(join(tmpdir(), 'tocsin-test-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Starts a control plane with a real embedded Redis on a free port. */
export async function startTestControlPlane(
  t: { after(fn: () => unknown): void },
  settings: Record<string, unknown> = {},
  startDelivery: (options: DeliveryOptions) => RunningDelivery = noDelivery,
): Promise<TestControlPlane> {
  const dataDir = mkdtempSync(join(tmpdir(), 'tocsin-test-'));
  const text = JSON.stringify({
    listen: '127.0.0.1:0',
    data_dir: dataDir,
    redis: { fsync: 'everysec' },
    ...settings,
  });
  const config = loadSettings(Config, { file: { name: 'test.yaml', text } });
  const logger = pino({ level: 'silent' });
  const plane = await startControlPlane({
    ...{ config, logger, startDelivery },
    environment: {},
  });
  t.after(async () => {
    await plane.stop();
    rmSync(dataDir, { recursive: true, force: true });
  });
  const adminToken = (await readFile(plane.adminTokenFile, 'utf8')).trim();
  return {
    ...plane,
    dataDir,
    adminToken,
    call: (method, path, body, headers = {}) =>
      request(plane.url + path, method, body, {
        authorization: `Bearer ${adminToken}`,
        ...headers,
      }),
  };
}

/** One request; JSON in and out. */
export async function request(
  url: string,
  method: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const raw = body instanceof Uint8Array || typeof body === 'string';
  const response = await fetch(url, {
    method,
    headers: {
      ...(body !== undefined && !raw && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body !== undefined && { body: raw ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  const json = /json/.test(response.headers.get('content-type') ?? '');
  return {
    status: response.status,
    headers: response.headers,
    body: json ? JSON.parse(text) : text,
  };
}
