/** Tools about the run's own course: what it says on the way, and how it ends. */
import { z } from "zod";
import { defineTool } from "./tool.js";
import type { OwnRun, Tool } from "./tool.js";

/** As the report takes it. */
const text = z.string().min(1).max(16_384);

const reportProgress = defineTool({
  name: "report_progress",
  description:
    "Says in a sentence or two how far this run is. The latest stands for all before it.",
  input: z.strictObject({ message: text }),
  run: (run, { message }) => report(run, { summary: message }),
});

const finish = defineTool({
  name: "finish",
  description:
    "The last word on this run: its summary for people and for an agent that has asked, and its result as JSON. Stop working after it. With failed, the run counts as failed for that reason.",
  input: z.strictObject({
    summary: text,
    result: z.record(z.string(), z.unknown()).optional(),
    failed: text.optional().describe("Why the task could not be done"),
  }),
  run: (run, { summary, result, failed }) =>
    report(run, {
      final: true,
      summary,
      ...(result === undefined ? {} : { resultJson: result }),
      ...(failed === undefined ? {} : { errorMessage: failed, errorCode: "agent_reported" }),
    }),
});

export const resultTools: readonly Tool[] = [reportProgress, finish];

const report = async (run: OwnRun, body: object): Promise<unknown> => {
  const { status } = await run.api.post(`/heartbeat-runs/${run.runId}/report`, body);
  return { status };
};
