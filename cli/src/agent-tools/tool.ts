/** What a tool of a running agent is: a name, words for the model that chooses it, its input, and what it does over the API. */
import { z } from "zod";
import type { Api } from "../api.js";
import { usageFailure } from "../failure.js";

/** The run that a tool works for. */
export interface OwnRun {
  readonly api: Api;
  readonly runId: string;
  readonly agentId: string;
  readonly companyId: string;
}
export interface Tool {
  /** Lower-case letters and `_`, as models know them. */
  readonly name: string;
  readonly description: string;
  readonly input: z.ZodType;
  /** Its answer, as JSON. @throws CliFailure */
  call(run: OwnRun, input: unknown): Promise<unknown>;
}

/** Keeps the type of a tool's input together with what it does. @throws CliFailure (usage) that names a bad field. */
export const defineTool = <Input extends z.ZodType>(tool: {
  name: string;
  description: string;
  input: Input;
  run: (run: OwnRun, input: z.output<Input>) => Promise<unknown>;
}): Tool => ({
  name: tool.name,
  description: tool.description,
  input: tool.input,
  call: (run, input) => {
    const read = tool.input.safeParse(input);
    if (read.success) return tool.run(run, read.data);
    const [issue] = read.error.issues;
    throw usageFailure(`${[tool.name, ...(issue?.path ?? [])].join(".")}: ${issue?.message}`);
  },
});

/** The run that this process belongs to, by its environment. @throws CliFailure (usage) */
export function ownRun(
  api: Api,
  env: Readonly<Record<string, string | undefined>> = process.env,
): OwnRun {
  const given = (name: string): string => {
    const value = env[name];
    if (value) return value;
    throw usageFailure(
      `${name} is not set: these tools work inside a run alone`,
      "A runner sets it for the processes of a run.",
    );
  };
  given("REVEILLE_API_KEY");
  const [runId, agentId, companyId] = ["RUN_ID", "AGENT_ID", "COMPANY_ID"].map((name) =>
    given(`REVEILLE_${name}`),
  );
  return { api, runId: runId!, agentId: agentId!, companyId: companyId! };
}
