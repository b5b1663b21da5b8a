// Owns what travels between simulated clients and the simulated server: messages, and the errors of the JetStream API with the server's codes.
// Knows nothing of delays and losses.

/** One message as a connection carries it. */
export interface WireMessage {
  readonly subject: string;
  /** Empty when there is none. */
  readonly reply: string;
  readonly data: Uint8Array;
  readonly headers: Readonly<Record<string, string>> | undefined;
  /** 100, 408, 503...: a status of the server; 0 for a message. */
  readonly status: number;
  readonly description: string;
}

export const emptyData = new Uint8Array(0);

/** A status line without a body, as the server sends it to a reply subject. */
export const statusMessage = (
  subject: string,
  status: number,
  description: string,
  headers?: Readonly<Record<string, string>>,
): WireMessage => ({ subject, reply: "", data: emptyData, headers, status, description });

/** An answer of the JetStream API that says no; `code` is the server's `err_code`. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly code: number;
  readonly httpCode: number;
  constructor(code: number, description: string, httpCode = 400) {
    super(description);
    this.code = code;
    this.httpCode = httpCode;
  }
}

/** Nobody listens on that subject: what a client hears at once; of a store, that nothing takes it in. */
export class NoResponders extends Error {
  override readonly name = "NoResponders";
  constructor() {
    super("jetstream is not enabled");
  }
}

export const apiErrors = {
  noMessage: () => new ApiError(10037, "no message found", 404),
  noConsumer: () => new ApiError(10014, "consumer not found", 404),
  noStream: () => new ApiError(10059, "stream not found", 404),
  wrongLastSequence: (last: number) => new ApiError(10071, `wrong last sequence: ${last}`),
  notStored: (why: string) => new ApiError(10077, why, 503),
} as const;
