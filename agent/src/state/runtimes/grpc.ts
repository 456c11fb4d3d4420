import { connect as connectHttp2, constants } from 'node:http2';
import { connect } from 'node:net';

/** Longest answer, bytes. */
const ANSWER_LIMIT = 4 * 1024 * 1024;
/** Before each message: whether it is compressed, and its length. */
const PREFIX_BYTES = 5;

export interface Call {
  readonly socket: string;
  /** `/package.Service/Method`. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly deadlineMs: number;
}

/** Makes one gRPC call over a unix socket; undefined when the answer is an error, too long, or does not come in time. */
export function callGrpc(request: Buffer, call: Call): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const session = connectHttp2('http://localhost', {
      createConnection: () => connect(call.socket),
    });
    const finish = (answer?: Buffer): void => {
      clearTimeout(timer);
      resolve(answer);
      session.destroy();
    };
    const timer = setTimeout(finish, call.deadlineMs);
    session.on('error', () => finish());
    session.on('close', () => finish());
    const stream = session.request({
      ...call.headers,
      [constants.HTTP2_HEADER_METHOD]: 'POST',
      [constants.HTTP2_HEADER_PATH]: call.path,
      [constants.HTTP2_HEADER_CONTENT_TYPE]: 'application/grpc',
      [constants.HTTP2_HEADER_TE]: 'trailers',
    });
    const parts: Buffer[] = [];
    let length = 0;
    let status: unknown;
    const take = (headers: Readonly<Record<string, unknown>>): void => {
      status ??= headers['grpc-status'];
    };
    stream.on('response', take);
    stream.on('trailers', take);
    stream.on('data', (part: Buffer) => {
      length += part.length;
      if (length > ANSWER_LIMIT) finish();
      else parts.push(part);
    });
    stream.on('error', () => finish());
    stream.on('end', () => finish(status === '0' ? messageOf(Buffer.concat(parts)) : undefined));
    const prefix = Buffer.alloc(PREFIX_BYTES);
    prefix.writeUInt32BE(request.length, 1);
    stream.end(Buffer.concat([prefix, request]));
  });
}

function messageOf(frame: Buffer): Buffer | undefined {
  if (frame.length < PREFIX_BYTES || frame[0] !== 0) return undefined;
  return frame.length - PREFIX_BYTES === frame.readUInt32BE(1)
    ? frame.subarray(PREFIX_BYTES)
    : undefined;
}
