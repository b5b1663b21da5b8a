/**
 * What a session is and how it is kept: opaque parameters of an adapter, a short id for people, and the
 * one id that agents without tasks go on with. Pure; the codec of an adapter type says which parameters
 * count. The rules follow Paperclip's, so that its data reads the same.
 */

import type { Usage } from "./execution.js";
import { usageSchema } from "./execution.js";
import { headOf } from "./text.js";

type Json = Record<string, unknown>;

/** A session as it is kept for one task of one agent under one adapter type. */
export interface Session {
  params: Json | null;
  /** At most 128 characters. */
  displayId: string | null;
}

/**
 * What a session had used when it was kept, of programs that count on through it: the next run subtracts
 * it. It travels with the session, which may go on on another machine.
 */
export interface SessionTotals {
  usage?: Usage;
  costUsd?: number;
}

export interface SessionCodec {
  /** What of these parameters is kept; null when there is no session in them. */
  normalize(params: unknown): Json | null;
  displayId(params: Json | null): string | null;
}

const displayIdMax = 128;
/** Cut to what the column and the API show. */
export const cutDisplayId = (id: string | null): string | null =>
  id === null ? null : headOf(id, displayIdMax);

export const nonBlank = (value: unknown): string | null =>
  typeof value === "string" && value.trim() !== "" ? value.trim() : null;
const isMap = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Any map with a key in it. */
const plainCodec: SessionCodec = {
  normalize: (params) => (isMap(params) && Object.keys(params).length > 0 ? params : null),
  displayId: (params) => nonBlank(params?.["sessionId"]),
};

const aliases: Readonly<Record<string, readonly string[]>> = {
  sessionId: ["sessionId", "session_id"],
  cwd: ["cwd", "workdir", "folder"],
  workspaceId: ["workspaceId", "workspace_id"],
  repoUrl: ["repoUrl", "repo_url"],
  repoRef: ["repoRef", "repo_ref"],
};

/** The part of `params.totals` that is what it should be; null when nothing is. */
export function sessionTotalsOf(params: Readonly<Json> | null | undefined): SessionTotals | null {
  const totals = params?.["totals"];
  if (!isMap(totals)) return null;
  const usage = usageSchema.safeParse(totals["usage"]);
  const costUsd = totals["costUsd"];
  const kept: SessionTotals = {
    ...(usage.success ? { usage: usage.data } : {}),
    ...(typeof costUsd === "number" && costUsd >= 0 ? { costUsd } : {}),
  };
  return Object.keys(kept).length > 0 ? kept : null;
}

/** Programs that keep their conversation in a folder: an id, the folder, where its files come from, what it has used. */
const folderCodec: SessionCodec = {
  normalize: (params) => {
    if (!isMap(params)) return null;
    const kept: Json = {};
    for (const [name, spellings] of Object.entries(aliases)) {
      const value = spellings.map((key) => nonBlank(params[key])).find((found) => found !== null);
      if (value) kept[name] = value;
    }
    const totals = sessionTotalsOf(params);
    if (totals) kept["totals"] = totals;
    return "sessionId" in kept ? kept : null;
  },
  displayId: (params) => nonBlank(params?.["sessionId"]),
};

const folderTypes = new Set(["claude_local", "codex_local"]);
export const sessionCodecOf = (adapterType: string): SessionCodec =>
  folderTypes.has(adapterType) ? folderCodec : plainCodec;
