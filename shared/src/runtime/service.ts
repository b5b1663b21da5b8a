/** The contract of everything that is started and stopped: services and their long-lived parts. */

/**
 * `stop` drains, releases what is held and resolves when nothing of the service is left; it may be
 * called before `start` has finished and twice. `deadlineMs` bounds the drain, not the release.
 */
export interface Service {
  stop(deadlineMs?: number): Promise<void>;
}
