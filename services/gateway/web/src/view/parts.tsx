/** Small parts of every page: a status in its colour, what to show while nothing is there, a bar. Knows no data. */
import type { ComponentChildren } from "preact";
import { ApiError, reasonOf } from "../api/client.js";

/** What a status means: colours say this and nothing else. */
const meanings: Readonly<Record<string, "good" | "busy" | "wait" | "warn" | "bad" | "off">> = {
  idle: "off",
  active: "good",
  running: "busy",
  dispatched: "busy",
  in_progress: "busy",
  claimed: "busy",
  queued: "wait",
  deferred_issue_execution: "wait",
  waiting: "wait",
  todo: "wait",
  backlog: "off",
  in_review: "warn",
  paused: "warn",
  pending_approval: "warn",
  cancelling: "warn",
  draining: "warn",
  succeeded: "good",
  completed: "good",
  done: "good",
  failed: "bad",
  error: "bad",
  timed_out: "bad",
  blocked: "bad",
  lost: "bad",
  cancelled: "off",
  coalesced: "off",
  skipped: "off",
  terminated: "off",
};

const words = (status: string): string =>
  status === "deferred_issue_execution" ? "waits for issue" : status.replaceAll("_", " ");

export function StatusBadge({ status }: { status: string }) {
  return <span class={`status ${meanings[status] ?? "off"}`}>{words(status)}</span>;
}

/** A share of a whole; the figure beside it is what is read out. */
export function Bar({ value, max, label }: { value: number; max: number; label: string }) {
  const share = max > 0 ? value / max : 0;
  const level = share >= 1 ? "bad" : share >= 0.8 ? "warn" : "good";
  return (
    <meter
      class={`bar ${level}`}
      min={0}
      max={1}
      value={Math.min(1, share)}
      title={label}
      aria-label={label}
    />
  );
}

export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <strong>{title}</strong>
      {children ? <p>{children}</p> : null}
    </div>
  );
}

interface Answer<T> {
  data: T | undefined;
  error: unknown;
  refetch: () => unknown;
}

/** What an answer has to show; until it is there, that it comes, or why it does not. */
export function Loaded<T>({
  of,
  children,
}: {
  of: Answer<T>;
  children: (data: T) => ComponentChildren;
}) {
  if (of.data !== undefined) return <>{children(of.data)}</>;
  if (!of.error)
    return (
      <div class="loading" role="status">
        Loading …
      </div>
    );
  const status = of.error instanceof ApiError ? of.error.status : 0;
  return (
    <div class="empty bad" role="alert">
      <strong>
        {status === 404 ? "There is no such thing, or not for you" : "This could not be loaded"}
      </strong>
      <p>{reasonOf(of.error)}</p>
      <button type="button" onClick={() => void of.refetch()}>
        Try again
      </button>
    </div>
  );
}

export function Section({
  title,
  aside,
  children,
}: {
  title: string;
  aside?: ComponentChildren;
  children: ComponentChildren;
}) {
  return (
    <section class="card">
      <header>
        <h2>{title}</h2>
        {aside}
      </header>
      {children}
    </section>
  );
}

/** Names and values, one under the other. */
export function Facts({ of }: { of: readonly (readonly [string, ComponentChildren])[] }) {
  return (
    <dl class="facts">
      {of.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value ?? "–"}</dd>
        </div>
      ))}
    </dl>
  );
}
