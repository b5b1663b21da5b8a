import { expect, test } from "vitest";
import { promptValues, renderTemplate } from "./prompt.js";

const values = promptValues({
  agent: { id: "a1", companyId: "c1", name: "Ada" },
  run: {
    id: "r1",
    attempt: 2,
    companyId: "c1",
    taskKey: "t",
    issueId: null,
    context: { wakeReason: "because", deep: { list: [1, 2], on: true }, own: "{{runId}}" },
  },
});

test.each([
  ["{{agent.name}} is {{ agent.id }}", "Ada is a1"],
  ["{{companyId}}/{{runId}}/{{run.attempt}}", "c1/r1/2"],
  ["{{context.wakeReason}}", "because"],
  ["{{context.deep.list}} {{context.deep.on}}", "[1,2] true"],
  ["[{{context.nothing.there}}{{agent.constructor}}{{__proto__}}{{run.issueId}}]", "[]"],
  ["{{not a name}} {single} {{}}", "{{not a name}} {single} {{}}"],
  // What comes out of the context is text, and no template.
  ["{{context.own}}", "{{runId}}"],
])("%s", (template, text) => {
  expect(renderTemplate(template, values)).toBe(text);
});
