// An adapter as a package: it says `text`, `times` times with `pauseMs` between, and counts its turns in the session of the task.
// Plain JavaScript without a build; the comments give an editor the types.

/** @typedef {{ text: string, times?: number, pauseMs?: number }} EchoConfig */

/** @type {import("@reveille/runner/adapter").Adapter} */
export default {
  type: "echo",
  label: "Echo",
  // It works inside the runner's process: there is no tree of processes to hold together.
  starts: "nothing",
  // A JSON Schema is shown to people and not checked; with a zod schema a runner also checks it.
  configSchema: {
    type: "object",
    required: ["text"],
    properties: {
      text: { type: "string", description: "What is said" },
      times: { type: "integer", minimum: 1, maximum: 1000, default: 1 },
      pauseMs: { type: "integer", minimum: 0, default: 0 },
    },
  },
  models: [{ id: "parrot-1", label: "Parrot 1" }],
  configurationDoc: "Says `text`, `times` times, `pauseMs` apart.",

  async test({ config }) {
    const message = fault(config);
    return [
      message
        ? { code: "echo_config", level: "error", message }
        : { code: "echo_config", level: "info", message: "There is something to say" },
    ];
  },

  async execute(context) {
    const { config, session, signal } = context;
    const { text, times = 1, pauseMs = 0 } = /** @type {EchoConfig} */ (config);
    const message = fault(config);
    // A failure of the work is an answer; what is thrown becomes one as well, in worse words.
    if (message) return { errorMessage: message, threw: true };
    context.invoked({ command: "echo", commandArgs: [text, String(times)] });
    const usage = { inputTokens: 0, outputTokens: 0, cachedInputTokens: 0 };
    for (let said = 0; said < times && !signal.aborted; said += 1) {
      if (said > 0) await pause(pauseMs, signal);
      // Waiting for the log keeps memory bounded when storing is slow.
      await context.log("stdout", `${text}\n`);
      usage.outputTokens += text.length;
      context.report({ usage });
    }
    // Whether it was a cancel or a limit is the runner's to say.
    if (signal.aborted) return { errorMessage: "stopped", usage };
    const turns = Number(session?.params?.turns ?? 0) + 1;
    return {
      usage,
      costUsd: 0,
      provider: "example",
      model: "parrot-1",
      sessionParams: { sessionId: `${context.agent.id}:${turns}`, turns },
      summary: `said it ${times} times, turn ${turns}`,
    };
  },
};

/** What is wrong with the configuration; null when nothing is. */
function fault({ text, times = 1, pauseMs = 0 }) {
  if (typeof text !== "string" || text === "") return "adapterConfig.text must be text";
  if (!Number.isInteger(times) || times < 1 || times > 1000)
    return "adapterConfig.times must be 1 to 1000";
  if (!Number.isInteger(pauseMs) || pauseMs < 0) return "adapterConfig.pauseMs must be 0 or more";
  return null;
}

/** Ends early when the run is to end. */
function pause(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener(
      "abort",
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}
