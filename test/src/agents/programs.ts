// The real programs that these tests run: which versions, where they are kept, how their agents are configured so that nobody but the
// model's service on loopback is asked for anything.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../../", import.meta.url));
/** Kept from run to run: about 800 MB. */
export const programsFolder = join(root, ".cache/agents");
/** What the fixtures were recorded with; docs/adapters.md names them. */
export const pinned: Readonly<Record<string, string>> = {
  "@anthropic-ai/claude-code": "2.1.330",
  "@openai/codex": "0.169.0",
};

/** The programs themselves, without the wrappers that their packages put before them. */
const executables = {
  claude: "@anthropic-ai/claude-code-linux-x64/claude",
  codex: "@openai/codex-linux-x64/vendor/x86_64-unknown-linux-musl/bin/codex",
} as const;
export type ProgramName = keyof typeof executables;

export const executableOf = (program: ProgramName): string =>
  join(programsFolder, "node_modules", executables[program]);

/** Why the tests cannot run; null: both are there, in the pinned versions. */
export function missingPrograms(): string | null {
  if (process.platform !== "linux" || process.arch !== "x64")
    return "the pinned programs are for Linux on x64";
  for (const [name, version] of Object.entries(pinned)) {
    const file = join(programsFolder, "node_modules", name, "package.json");
    if (!existsSync(file)) return `${name} ${version} is not in ${programsFolder}`;
    const { version: found } = JSON.parse(readFileSync(file, "utf8")) as { version: string };
    if (found !== version) return `${name} is ${found}, not ${version}`;
  }
  const gone = (Object.keys(executables) as ProgramName[]).find(
    (program) => !existsSync(executableOf(program)),
  );
  return gone ? `${executableOf(gone)} is not there` : null;
}

export interface AgentSettings {
  adapterType: string;
  adapterConfig: Record<string, unknown>;
}

/** An agent of the program that asks the service at `url` and keeps what it keeps in `home`. */
export function agentOf(program: ProgramName, url: string, home: string): AgentSettings {
  const command = executableOf(program);
  if (program === "claude")
    return {
      adapterType: "claude_local",
      adapterConfig: {
        command,
        model: "claude-opus-5-5",
        dangerouslySkipPermissions: true,
        env: {
          HOME: home,
          ANTHROPIC_BASE_URL: url,
          ANTHROPIC_API_KEY: "key-of-a-test",
          CLAUDE_CODE_MAX_RETRIES: "1",
        },
      },
    };
  const provider = `{name="local",base_url="${url}/v1",wire_api="responses",env_key="LOCAL_KEY",request_max_retries=1,stream_max_retries=1}`;
  const settings = [
    'model_provider="local"',
    `model_providers.local=${provider}`,
    "features.plugins=false",
    "features.apps=false",
  ];
  return {
    adapterType: "codex_local",
    adapterConfig: {
      command,
      model: "gpt-5",
      dangerouslyBypassApprovalsAndSandbox: true,
      extraArgs: settings.flatMap((one) => ["-c", one]),
      env: { HOME: home, CODEX_HOME: join(home, "codex"), LOCAL_KEY: "key-of-a-test" },
    },
  };
}

/** A shell command as the program's model asks for it. */
export const shellCall = (program: ProgramName, command: string) =>
  program === "claude"
    ? { name: "Bash", input: { command, description: "works" } }
    : { name: "exec_command", input: { cmd: command } };
