/**
 * What runner and guard say to each other: one JSON map a line, over two pipes that nobody else has.
 * Both are of the same build and the same machine, so it is not validated; a pipe that breaks is the
 * message that matters most.
 */
import type { RunFinished } from "@reveille/shared/protocol/execution";
import type { ContainmentWish, Lifeline } from "../containment/lifeline.js";

/** The first line from the runner. */
export interface Hello {
  type: "hello";
  incarnation: string;
  runnerId: string;
  natsUrl: string;
  natsCredsFile: string | undefined;
  natsNkeyFile: string | undefined;
  /** Of the runner: its inbox, and so its permissions, are those of the pool. */
  pool: string;
  subjectPrefix: string;
  workDir: string;
  containment: ContainmentWish;
  logLevel: string;
}

/** An attempt that this runner has asked a go for: to be reported lost if the runner dies. */
export interface ClaimNote {
  companyId: string;
  agentId: string;
  runId: string;
  attempt: number;
  claimId: string;
  /** The trace of its reports; null: none. */
  traceparent: string | null;
  /** Where the execution is given back; null once it was acknowledged. */
  ackSubject: string | null;
  /** What its process came to: set when its tree is dead and its log is sealed. It is told then, instead of a loss. */
  report?: RunFinished;
}

export type ToGuard =
  | Hello
  | ({ type: "claim" } & ClaimNote)
  /** It got its answer: the execution is acknowledged. */
  | { type: "went"; claimId: string }
  /** Its tree is dead and its log is sealed: this is what is being reported. */
  | { type: "ran"; claimId: string; report: RunFinished }
  /** Its report is stored, or it never was to run. */
  | { type: "end"; claimId: string }
  /** Monotonic nanoseconds (CLOCK_MONOTONIC, the same for all processes of a machine). */
  | { type: "deadline"; atNs: string }
  | { type: "ping" }
  /** All is reported: cut the lifeline and go. */
  | { type: "bye" };

export type FromGuard =
  | { type: "ready"; lifeline: Lifeline; pid: number }
  | { type: "refused"; reason: string }
  | { type: "pong" }
  /** The deadline passed; every tree is dead and none can start. */
  | { type: "expired" };

/** Cuts a byte stream into lines and gives each as a message. */
export function lineReader<Message>(take: (message: Message) => void): (chunk: string) => void {
  let rest = "";
  return (chunk) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line !== "") take(JSON.parse(line) as Message);
  };
}
