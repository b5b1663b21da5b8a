/**
 * Time, as services see it: a port, so that a simulation can run hours in milliseconds and freeze one
 * process while the others go on. Wall time is for what people and other services read; what lasts is
 * measured on the monotonic clock, which no leap moves.
 */

/** A timer that was set. */
export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Milliseconds since 1970. */
  wallMs(): number;
  /** Milliseconds since some moment in the past; never goes back. */
  monotonicMs(): number;
  /** Calls once, after so many milliseconds. */
  after(ms: number, call: () => void): Timer;
  /** Calls again and again. `background`: alone it does not keep the process alive. */
  every(ms: number, call: () => void, options?: { background?: boolean }): Timer;
  /** Calls in the next turn of the event loop: what arrives together is seen together. */
  soon(call: () => void): void;
}

/** Resolves after so many milliseconds. */
export const pause = (clock: Clock, ms: number): Promise<void> =>
  new Promise((resume) => void clock.after(ms, resume));

/** The clocks and timers of this process. */
export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after: (ms, call) => {
    const timer = setTimeout(call, ms);
    return { cancel: () => clearTimeout(timer) };
  },
  every: (ms, call, options) => {
    const timer = setInterval(call, ms);
    if (options?.background) timer.unref();
    return { cancel: () => clearInterval(timer) };
  },
  soon: (call) => void setImmediate(call),
};
