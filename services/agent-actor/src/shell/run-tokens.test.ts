import { verifyRunToken } from "@reveille/shared/credentials/run-token";
import { newId } from "@reveille/shared/protocol/ids";
import { systemClock } from "@reveille/shared/runtime/clock";
import type { Logger } from "@reveille/shared/runtime/log";
import { expect, test } from "vitest";
import { createRunTokens } from "./run-tokens.js";

const warnings: string[] = [];
const logger = { warn: (text: string) => warnings.push(text) } as unknown as Logger;
const token = { companyId: newId(), agentId: newId(), adapterType: "process" };
const go = { runId: newId(), attempt: 2, claimId: newId(), token };

test("a go carries a token of its run, attempt and claim [E13]", () => {
  const secret = "x".repeat(32);
  const made = createRunTokens(secret, systemClock, logger)(go);
  const { runId, attempt, claimId } = go;
  expect(verifyRunToken(secret, made!, Date.now())).toEqual({ ...token, runId, attempt, claimId });
});

test("an answer that is no go carries none", () => {
  const { token: _token, ...no } = go;
  expect(createRunTokens("x".repeat(32), systemClock, logger)(no)).toBeUndefined();
});

test("without a secret runs go without a token, and one warning says so [E13]", () => {
  const tokens = createRunTokens(null, systemClock, logger);
  expect([tokens(go), tokens(go)]).toEqual([undefined, undefined]);
  expect(warnings).toHaveLength(1);
});
