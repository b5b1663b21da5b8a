/**
 * What a nats-server itself says, told from what somebody published. A request may name any subject for its answer, and the server does
 * not ask whether the asker may publish there: whoever may wake one agent can make an acknowledgement arrive in any mailbox. So what
 * only a server says is nobody's message. Its words cannot be chosen: answers are JSON of two shapes, statuses have no payload.
 */
import type { Decoded } from "@reveille/shared/protocol/codec";

/** Every answer of JetStream's API names its type. */
const apiTypes = "io.nats.jetstream.";

/** Why a payload may be the server's own; null: somebody wrote it. */
export function serverAnswer(data: Uint8Array, decoded: Decoded): string | null {
  // A pull that found nothing is answered by a status line; when it is stored, nothing of it is left.
  if (data.length === 0) return "the payload is empty: a map is needed, {} at least";
  // A server speaks no msgpack.
  if (!decoded.ok || decoded.encoding !== "json") return null;
  const { type, stream, seq } = decoded.value;
  const isApi = typeof type === "string" && type.startsWith(apiTypes);
  const isAck = typeof stream === "string" && typeof seq === "number";
  return isApi || isAck ? "this is an answer of JetStream and nobody's message" : null;
}
