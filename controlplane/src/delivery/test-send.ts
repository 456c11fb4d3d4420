import type { Channel, StoredAlert } from '@tocsin/openapi';
import type { Notification, Outcome, Preview, Sender } from './channel.ts';
import { startDeadline } from './deadline.ts';
import { sendOnce } from './lane.ts';
import { ownAlert } from './own-alert.ts';
import { sampleNotification } from './sample.ts';
import { createSender, type Environment, type FindKind } from './senders.ts';

const TEST_MS = 20_000;

/** Makes one attempt now, past lane and throttle, and returns how it ended with the provider's own words. */
export async function testSend(
  channel: Channel,
  findKind: FindKind,
  environment: Environment,
  signal: AbortSignal,
): Promise<Outcome> {
  const deadline = startDeadline([signal], TEST_MS);
  let sender: Sender | undefined;
  try {
    return await sendOnce(() => {
      sender = createSender(channel, findKind, environment);
      return sender.send(testNotification(channel.name), { signal: deadline.signal });
    });
  } finally {
    deadline.release();
    await sender?.close();
  }
}

/** It says that it is one. */
const testNotification = (channel: string): Notification =>
  sampleNotification(
    channel,
    ownAlert(
      {
        rule: 'Test notification',
        priority: 'Informational',
        output: `This is a test of the channel ${channel}: nothing happened.`,
        tags: ['test'],
      },
      Date.now(),
    ),
  );

/** Whether a sender can be made: secrets, files and templates are there and good. Throws ChannelSettingsError. */
export async function trySender(
  channel: Channel,
  findKind: FindKind,
  environment: Environment,
): Promise<void> {
  await createSender(channel, findKind, environment).close();
}

/** What a channel would send of an alert, or of a sample, without its secrets. Throws ChannelSettingsError and TemplateError. */
export async function previewOf(
  channel: Channel,
  alert: StoredAlert | undefined,
  findKind: FindKind,
  environment: Environment,
): Promise<readonly Preview[]> {
  const notification = sampleNotification(channel.name, alert);
  const sender = createSender(channel, findKind, environment);
  try {
    return sender.preview(notification);
  } finally {
    await sender.close();
  }
}
