/**
 * Words in which permissions are written, and the two needs that several identities share. Knows no identity.
 */

/** One subject that is allowed. */
export interface Grant {
  subject: string;
  /** Who needs it for what. */
  why: string;
}
export interface Permissions {
  publish: readonly Grant[];
  subscribe: readonly Grant[];
  /** Answers to requests that were received, whatever inbox they name: so many each, within this time. */
  responses?: { max: number; withinMs: number; why: string };
}

export const grant = (subject: string, why: string): Grant => ({ subject, why });

/** Looking into a bucket. Listing keys takes a consumer that goes by itself. */
export function readBucket(bucket: string, why: string): Grant[] {
  const stream = `KV_${bucket}`;
  return [
    grant(`$JS.API.STREAM.INFO.${stream}`, `${why}: its age and time to live`),
    grant(`$JS.API.STREAM.MSG.GET.${stream}`, `${why}: one entry, as the leader has it`),
    grant(`$JS.API.CONSUMER.CREATE.${stream}.*.$KV.${bucket}.>`, `${why}: keys`),
    grant(`$JS.API.CONSUMER.INFO.${stream}.*`, `${why}: keys`),
    grant(`$JS.API.CONSUMER.DELETE.${stream}.*`, `${why}: keys`),
  ];
}

/** Reading logs with a consumer of one's own whose filter, in the request's subject, lies below `below`. */
export function readLogs(stream: string, below: string, why: string): Grant[] {
  return [
    grant(`$JS.API.CONSUMER.CREATE.${stream}.*.${below}.>`, `${why}: a consumer with this filter`),
    grant(`$JS.API.CONSUMER.INFO.${stream}.*`, `${why}: that consumer`),
    grant(`$JS.API.CONSUMER.MSG.NEXT.${stream}.*`, `${why}: its messages`),
    grant(`$JS.API.CONSUMER.DELETE.${stream}.*`, `${why}: the consumer when it is done`),
  ];
}
