// No id and no name from outside can widen a subject: what is no UUID, no pool or no token is refused before it becomes one.
import fc from "fast-check";
import { expect, test } from "vitest";
import { createSubjects, isPoolName, parseStored } from "./subjects.js";

const a = "00000000-0000-4000-8000-00000000000a";
const b = "00000000-0000-4000-8000-00000000000b";
const subjects = createSubjects();

test("the map of subjects is as documented", () => {
  expect([
    subjects.mailbox(a, b, "wake"),
    subjects.mailbox(a, b, "run.finished"),
    subjects.execution("default", a, b, 2),
    subjects.log(a, b, "stdout"),
    subjects.runLog(a, b),
    subjects.control(a, b),
    subjects.answer(b),
    subjects.event(a, "agent.status"),
  ]).toEqual([
    `rv.${a}.agent.${b}.wake`,
    `rv.${a}.agent.${b}.run.finished`,
    `rv.exec.pool.default.${a}.${b}.2`,
    `rv.${a}.run.${b}.log.stdout`,
    `rv.${a}.run.${b}.log.>`,
    `rv.${a}.run.${b}.control`,
    `rv.runner.${b}.answer`,
    `rv.${a}.event.agent.status`,
  ]);
});

const bad = [
  "",
  "x",
  "*",
  ">",
  `${a}.*`,
  `${a}.>`,
  `${a} `,
  ` ${a}`,
  `${a}\n`,
  a.toUpperCase(),
  `${a}.${b}`,
  "__proto__",
];

test.each(bad)("the id %j becomes no subject", (id) => {
  expect(() => subjects.mailbox(id, b, "wake")).toThrow(/company is not a UUID/);
  expect(() => subjects.mailbox(a, id, "wake")).toThrow(/agent is not a UUID/);
  expect(() => subjects.runLog(a, id)).toThrow(/run is not a UUID/);
  expect(() => subjects.execution("default", a, id, 1)).toThrow(/run is not a UUID/);
  expect(() => subjects.answer(id)).toThrow(/incarnation is not a UUID/);
  expect(() => subjects.companyEvents(id)).toThrow(/company is not a UUID/);
});

test("no text at all gives a subject with a wildcard or another number of tokens", () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (company, agent) => {
      const made = (() => {
        try {
          return subjects.mailbox(company, agent, "wake");
        } catch (error) {
          return error as Error;
        }
      })();
      if (typeof made === "string")
        expect(made).toMatch(/^rv\.[0-9a-f-]{36}\.agent\.[0-9a-f-]{36}\.wake$/);
      else expect(made).toBeInstanceOf(RangeError);
    }),
  );
});

test.each(["a", "default", "gpu-1", "0", "a".repeat(32)])("%j is a pool", (name) => {
  expect(isPoolName(name)).toBe(true);
});
test.each(["", "A", "-a", "a-", "a.b", "*", ">", "a b", "a".repeat(33)])(
  "%j is no pool",
  (name) => {
    expect(isPoolName(name)).toBe(false);
    expect(() => subjects.poolExecutions(name)).toThrow(RangeError);
  },
);
test.each(["", "a.b", "*", ">", "a b", "a".repeat(33)])("%j is no prefix", (prefix) => {
  expect(() => createSubjects(prefix)).toThrow(/prefix/);
});

test("a stored subject is read back", () => {
  const place = { generation: 3, partition: 17, companyId: a, agentId: b };
  expect(parseStored(`3.17.${a}.${b}.wake`)).toEqual({ ...place, kind: "wake" });
  expect(parseStored(`3.17.${a}.${b}.run.lost`)).toEqual({ ...place, kind: "run.lost" });
});
test.each([
  "",
  "3.17",
  `3.17.${a}.${b}`,
  `x.17.${a}.${b}.wake`,
  `3.17.${a}.x.wake`,
  `rv.${a}.agent.${b}.wake`,
])("%j is no stored subject", (subject) => {
  expect(parseStored(subject)).toBeNull();
});
