/**
 * What a run's process gets to see: an allow-list of the runner's own environment, who and why it is
 * (`REVEILLE_*`, and the same values under the names that agents written for Paperclip read), then the
 * agent's own settings. Pure; also says what of it may be shown.
 */
import type { Execution } from "@reveille/shared/protocol/execution";

/** Never more of the runner's environment than this: the rest may hold its credentials. */
const inherited = ["PATH", "HOME", "LANG", "TZ", "TMPDIR", "USER", "SHELL", "TERM"];
const inheritedPattern = /^LC_[A-Z_]+$/;
const namePattern = /^[A-Za-z_][A-Za-z0-9_]*$/;
/** Names that load code into whatever starts with them, the wrapper that joins the cgroup included. */
const refusedPattern =
  /^(LD_.*|DYLD_.*|NODE_OPTIONS|BASH_ENV|ENV|PYTHONSTARTUP|PERL5OPT|RUBYOPT|JAVA_TOOL_OPTIONS|IFS|PS4|SHELLOPTS|BASHOPTS)$/;
const secretPattern =
  /(api[-_]?key|token|auth|bearer|secret|passwd|password|credential|jwt|private[-_]?key|cookie|connection[-_]?string)/i;
/** Stands where a secret would. */
export const hiddenValue = "***REDACTED***";

export interface RunEnvironment {
  /** For the process. */
  all: Record<string, string>;
  /** For the invocation event: what Reveille and the agent's settings added, secrets hidden. */
  shown: Record<string, string>;
  /** Names from the agent's settings that were left out, each with its reason. */
  refused: string[];
  /** The first name whose value is neither text nor a reference that was resolved. */
  unresolved: string | null;
}
export interface EnvironmentParts {
  /** As `inheritedEnvironment` gives it. */
  inherited: Readonly<Record<string, string>>;
  execution: Execution;
  /** With secrets in place of references. */
  config: Readonly<Record<string, unknown>>;
  /** The wake's context, with the workspace. */
  context: Readonly<Record<string, unknown>>;
  apiUrl: string;
  /** The run's token for the API; null when it has none. */
  token: string | null;
  /** Names whose values were references: never shown, whatever they are called. */
  secretNames: ReadonlySet<string>;
}

/** The inherited part; the same for all runs of a runner. */
export function inheritedEnvironment(
  own: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(own))
    if (value !== undefined && (inherited.includes(name) || inheritedPattern.test(name)))
      kept[name] = value;
  kept["PATH"] ??= "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  return kept;
}

/** Everything for one run. */
export function runEnvironment(parts: EnvironmentParts): RunEnvironment {
  const { inherited: base, secretNames } = parts;
  const env = asMap(parts.config["env"]);
  const all: Record<string, string> = { ...base };
  const shown: Record<string, string> = {};
  const given = facts(parts);
  for (const name in given) {
    // A variable cannot hold NUL; the wake's context may.
    const value = given[name]?.replaceAll("\0", "");
    if (value === undefined) continue;
    // The names are ours, and none of them is a secret's.
    all[`REVEILLE_${name}`] = shown[`REVEILLE_${name}`] = value;
    all[`PAPERCLIP_${name}`] = shown[`PAPERCLIP_${name}`] = value;
  }
  // The agent's own key stands in place of the token, whatever name it has it under.
  const own = prefixes.map((prefix) => plainValue(env[`${prefix}API_KEY`])).find(notBlank);
  const key = own ?? parts.token;
  for (const prefix of key === null ? [] : prefixes) {
    all[`${prefix}API_KEY`] = key!;
    shown[`${prefix}API_KEY`] = hiddenValue;
  }
  const refused: string[] = [];
  let unresolved: string | null = null;
  for (const [name, binding] of Object.entries(env)) {
    const value = plainValue(binding);
    if (!namePattern.test(name)) refused.push(`${name.slice(0, 80)}: is not a variable name`);
    else if (refusedPattern.test(name)) refused.push(`${name}: would load code into every process`);
    else if (value === null) unresolved ??= name;
    else if (value.includes("\0")) refused.push(`${name}: contains NUL`);
    else if (notBlank(value) || !apiKeyPattern.test(name)) {
      all[name] = value;
      shown[name] = secretNames.has(name) ? hiddenValue : shownValue(name, value);
    }
  }
  return { all, shown, refused, unresolved };
}

const prefixes = ["REVEILLE_", "PAPERCLIP_"] as const;
/** A blank one is as good as none. */
const apiKeyPattern = /^(REVEILLE|PAPERCLIP)_API_KEY$/;
const notBlank = (value: string | null): value is string =>
  value !== null && value.trim() !== "" && !value.includes("\0");

/**
 * Plain values of a map of bindings that their names call secrets. Shorter ones are settings
 * (`AUTH_MODE=basic`) or would blacken ordinary words: who means a secret stores it as one.
 */
export function namedSecrets(bindings: unknown): string[] {
  return Object.entries(asMap(bindings)).flatMap(([name, binding]) => {
    const value = secretPattern.test(name) ? plainValue(binding) : null;
    if (value === null) return [];
    // Also without what comes before it in a header: `Bearer <value>`.
    return [value, value.replace(/^[A-Za-z]+ +/, "")].filter(
      (form) => form.length >= namedSecretCharsMin,
    );
  });
}
const namedSecretCharsMin = 8;

/** A value as events show it: hidden when its name speaks of a secret. */
export const shownValue = (name: string, value: string): string =>
  secretPattern.test(name) ? hiddenValue : value;

/** Who runs, and why; without prefix. Absent facts are absent variables. */
function facts({ execution, context, apiUrl }: EnvironmentParts): Record<string, string | null> {
  const text = (...names: string[]): string | null => {
    for (const name of names) {
      const value = context[name];
      if (typeof value === "string" && value.trim() !== "") return value;
    }
    return null;
  };
  const issues = Array.isArray(context["issueIds"])
    ? context["issueIds"].filter((id): id is string => typeof id === "string" && id !== "")
    : [];
  const workspace = asMap(context["paperclipWorkspace"]);
  const hints = context["paperclipWorkspaces"];
  return {
    AGENT_ID: execution.agentId,
    COMPANY_ID: execution.companyId,
    API_URL: apiUrl,
    RUN_ID: execution.runId,
    ATTEMPT: String(execution.attempt),
    TASK_ID: text("taskId", "issueId") ?? execution.issueId,
    TASK_KEY: execution.taskKey,
    WAKE_REASON: text("wakeReason"),
    PARENT_RUN_ID: string(asMap(context["ask"])["runId"]),
    WAKE_COMMENT_ID: text("wakeCommentId", "commentId"),
    APPROVAL_ID: text("approvalId"),
    APPROVAL_STATUS: text("approvalStatus"),
    LINKED_ISSUE_IDS: issues.length > 0 ? issues.join(",") : null,
    WORKSPACE_CWD: string(workspace["cwd"]),
    WORKSPACE_SOURCE: string(workspace["source"]),
    WORKSPACE_ID: string(workspace["workspaceId"]),
    WORKSPACE_REPO_URL: string(workspace["repoUrl"]),
    WORKSPACE_REPO_REF: string(workspace["repoRef"]),
    WORKSPACES_JSON: Array.isArray(hints) && hints.length > 0 ? JSON.stringify(hints) : null,
  };
}

/** Of the agent's own variables, by name: text that is not blank. */
export function ownVariable(
  config: Readonly<Record<string, unknown>>,
  name: string,
): string | null {
  const value = plainValue(asMap(config["env"])[name]);
  return notBlank(value) ? value : null;
}

/** A binding is text, `{ type: "plain", value }`, or a reference (null here: not resolved). */
function plainValue(binding: unknown): string | null {
  if (typeof binding === "string") return binding;
  if (typeof binding === "number" || typeof binding === "boolean") return String(binding);
  const map = asMap(binding);
  return map["type"] === "plain" ? string(map["value"]) : null;
}

const string = (value: unknown): string | null => (typeof value === "string" ? value : null);
const asMap = (value: unknown): Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : {};
