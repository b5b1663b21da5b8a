import { createLogger } from "@reveille/shared/runtime/log";
import { systemClock } from "@reveille/shared/runtime/clock";
import { expect, test } from "vitest";
import { startGuard } from "./guard-link.js";
import type { SpawnGuard } from "./guard-link.js";
import type { ToGuard } from "./guard-protocol.js";

const hello = {
  type: "hello",
  incarnation: "i",
  runnerId: "r",
  natsUrl: "",
  natsCredsFile: undefined,
  natsNkeyFile: undefined,
  pool: "default",
  subjectPrefix: "rv",
  workDir: "/",
  containment: "auto",
  logLevel: "silent",
} as const;

test("a claim is told at once: nobody hears of it before the guard", async () => {
  const told: ToGuard["type"][] = [];
  let ended: () => void = () => undefined;
  const spawnGuard: SpawnGuard = ({ onMessage }) => ({
    pid: 1,
    exited: new Promise((resolve) => (ended = resolve)),
    send: (message) => {
      told.push(message.type);
      if (message.type === "hello")
        queueMicrotask(() =>
          onMessage({ type: "ready", lifeline: { kind: "cgroup", path: "/" }, pid: 1 }),
        );
    },
    sendSoon: (message) => queueMicrotask(() => told.push(message.type)),
    kill: () => ended(),
  });
  const events = { onExpired: () => undefined, onGone: () => undefined };
  const ports = { clock: systemClock, spawnGuard };
  const guard = await startGuard(ports, hello, events, createLogger("test", "silent"));
  const note = {
    companyId: "c",
    agentId: "a",
    runId: "r",
    attempt: 1,
    claimId: "c",
    traceparent: null,
  };
  guard.claim({ ...note, ackSubject: null });
  expect(told).toEqual(["hello", "claim"]);
  guard.kill();
});
