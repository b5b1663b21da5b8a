/**
 * The trace of the request that is being served, for whatever it leads to, without passing it through every
 * call. Entered only by requests that belong to a trace: others pay nothing.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { headers } from "@reveille/shared/protocol/headers";

const storage = new AsyncLocalStorage<string>();

/** Null outside of a traced request. */
export const currentTrace = (): string | null => storage.getStore() ?? null;

export const inTrace = <T>(context: string | null, work: () => T): T =>
  context === null ? work() : storage.run(context, work);

/** For a message that belongs to a trace: its headers; nothing without one, so that no message has an empty header. */
export const traced = (context: string | null): { headers?: Record<string, string> } =>
  context === null ? {} : { headers: { [headers.traceparent]: context } };
