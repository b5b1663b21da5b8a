/** Names of the NATS headers that Reveille reads or writes. */
export const headers = {
  /** On any message: the W3C trace context that it belongs to. */
  traceparent: "traceparent",
  /** On a wake: where the verdict goes; must lie below the sender's inbox. */
  replyTo: "Reveille-Reply-To",
  /** On a log chunk: its number within (run, attempt), from 0, over all three streams. */
  logSequence: "Reveille-Seq",
  /** On a log chunk: bytes of this (run, attempt, stream) before it. */
  logOffset: "Reveille-Offset",
  /** On a log chunk: when the runner read it, ISO 8601. */
  logTime: "Reveille-Time",
  /** On a log chunk: the attempt that wrote it. */
  logAttempt: "Reveille-Attempt",
  /** On the closing message of an attempt's log (empty payload, stream `system`): `chunks=N; bytes=N; sha256=HEX`, with `; cut=REASON` when bytes are missing. */
  logEnd: "Reveille-Log-End",
} as const;
