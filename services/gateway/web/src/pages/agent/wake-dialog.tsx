/** Asks for a wake with all its fields, and shows what became of it. */
import { useQueryClient } from "@tanstack/preact-query";
import { useState } from "preact/hooks";
import { reasonOf, request } from "../../api/client.js";
import type { Woken } from "../../api/types.js";
import { Dialog } from "../../shell/dialog.js";
import { Link } from "../../shell/router.js";
import { shortId } from "../../view/format.js";
import { StatusBadge } from "../../view/parts.js";

interface Fields {
  source: string;
  reason: string;
  issueId: string;
  payload: string;
  idempotencyKey: string;
}
const sources = ["on_demand", "assignment", "automation", "timer"];
const blank: Fields = {
  source: "on_demand",
  reason: "",
  issueId: "",
  payload: "",
  idempotencyKey: "",
};

interface WakeDialogProps {
  agent: { id: string; companyId: string; name: string };
  onClose: () => void;
}

export function WakeDialog({ agent, onClose }: WakeDialogProps) {
  const client = useQueryClient();
  const [fields, setFields] = useState(blank);
  const [busy, setBusy] = useState(false);
  const [outcome, setOutcome] = useState<Woken | string | null>(null);
  const wake = async (): Promise<void> => {
    setBusy(true);
    try {
      setOutcome(await request<Woken>("POST", `/agents/${agent.id}/wakeup`, bodyOf(fields)));
      void client.invalidateQueries({ queryKey: ["agent", agent.id] });
    } catch (error) {
      setOutcome(reasonOf(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <Dialog title={`Wake ${agent.name}`} onClose={onClose}>
      <form
        class="fields"
        onSubmit={(event) => {
          event.preventDefault();
          void wake();
        }}
      >
        <WakeFields fields={fields} change={(more) => setFields({ ...fields, ...more })} />
        <Outcome of={outcome} companyId={agent.companyId} />
        <footer>
          <button type="button" onClick={onClose}>
            Close
          </button>
          <button type="submit" class="primary" disabled={busy}>
            {busy ? "Waking …" : "Wake"}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

/** @throws Error when the payload is no JSON object. */
function bodyOf({ source, reason, issueId, payload, idempotencyKey }: Fields): object {
  let given: unknown = {};
  try {
    if (payload.trim() !== "") given = JSON.parse(payload);
  } catch {
    throw new Error("The payload is not JSON");
  }
  if (typeof given !== "object" || given === null || Array.isArray(given))
    throw new Error("The payload has to be a JSON object");
  const full = issueId.trim() === "" ? given : { ...given, issueId: issueId.trim() };
  return {
    source,
    ...(reason.trim() === "" ? {} : { reason: reason.trim() }),
    ...(Object.keys(full).length === 0 ? {} : { payload: full }),
    ...(idempotencyKey.trim() === "" ? {} : { idempotencyKey: idempotencyKey.trim() }),
  };
}

function WakeFields({
  fields,
  change,
}: {
  fields: Fields;
  change: (more: Partial<Fields>) => void;
}) {
  const input = (name: keyof Fields, label: string, hint: string) => (
    <label>
      {label}
      <input
        value={fields[name]}
        placeholder={hint}
        onInput={({ currentTarget }) => change({ [name]: currentTarget.value })}
      />
    </label>
  );
  return (
    <>
      {input("reason", "Reason", "in a few words, for the agent")}
      {input("issueId", "Issue", "its id: the run will hold its lock")}
      <details>
        <summary>More</summary>
        <label>
          Source
          <select
            value={fields.source}
            onChange={({ currentTarget }) => change({ source: currentTarget.value })}
          >
            {sources.map((each) => (
              <option key={each}>{each}</option>
            ))}
          </select>
        </label>
        <label>
          Payload
          <textarea
            rows={4}
            class="mono"
            placeholder='{ "any": "JSON" }'
            value={fields.payload}
            onInput={({ currentTarget }) => change({ payload: currentTarget.value })}
          />
        </label>
        {input("idempotencyKey", "Idempotency key", "a wake with the same key is made once")}
      </details>
    </>
  );
}

function Outcome({ of, companyId }: { of: Woken | string | null; companyId: string }) {
  if (of === null) return null;
  if (typeof of === "string")
    return (
      <p class="verdict bad-text" role="alert">
        Refused. {of}
      </p>
    );
  if ("id" in of)
    return (
      <p class="verdict" role="status">
        <StatusBadge status={of.status} /> Run{" "}
        <Link href={`/${companyId}/runs/${of.id}`}>{shortId(of.id)}</Link>
      </p>
    );
  if (of.status === "accepted")
    return (
      <p class="verdict" role="status">
        Stored, and not decided yet. It is on the agent's page as soon as it is.
      </p>
    );
  return (
    <p class="verdict" role="status">
      <StatusBadge status={of.outcome} /> No run of its own:{" "}
      {of.reason?.replaceAll("_", " ") ?? of.outcome}
    </p>
  );
}
