/** Messages that could not be decided: look at them, put them into the mailbox again, drop them. */
import { useQuery, useQueryClient } from "@tanstack/preact-query";
import { useState } from "preact/hooks";
import type { PageProps } from "../../app.js";
import { request } from "../../api/client.js";
import { useDeadLetters } from "../../api/queries.js";
import type { DeadLetter } from "../../api/types.js";
import { Dialog } from "../../shell/dialog.js";
import { Link } from "../../shell/router.js";
import { useTell } from "../../shell/toasts.js";
import { dateTime, shortId } from "../../view/format.js";
import { Empty, Facts, Loaded } from "../../view/parts.js";

export function DeadLettersPage({ company }: PageProps) {
  const letters = useDeadLetters(company.id);
  const [open, setOpen] = useState<number | null>(null);
  return (
    <>
      <h1>Dead letters</h1>
      <Loaded of={letters}>
        {({ items }) =>
          items.length === 0 ? (
            <Empty title="None">Every message could be decided.</Empty>
          ) : (
            <Letters companyId={company.id} items={items} open={setOpen} />
          )
        }
      </Loaded>
      {open === null ? null : (
        <Letter id={open} companyId={company.id} onClose={() => setOpen(null)} />
      )}
    </>
  );
}

function Letters(props: {
  companyId: string;
  items: readonly DeadLetter[];
  open: (id: number) => void;
}) {
  return (
    <div class="scroll-x">
      <table>
        <thead>
          <tr>
            <th>When</th>
            <th>Agent</th>
            <th>Kind</th>
            <th>Failed at</th>
            <th>Why</th>
            <th />
          </tr>
        </thead>
        <tbody>
          {props.items.map((letter) => (
            <tr key={letter.id}>
              <td>{dateTime(letter.createdAt)}</td>
              <td>
                {letter.agentId ? (
                  <Link href={`/${props.companyId}/agents/${letter.agentId}`}>
                    {shortId(letter.agentId)}
                  </Link>
                ) : (
                  "–"
                )}
              </td>
              <td>{letter.kind}</td>
              <td>{letter.stage}</td>
              <td class="clip">{letter.reason}</td>
              <td>
                <button type="button" onClick={() => props.open(letter.id)}>
                  Open
                </button>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Letter({
  id,
  companyId,
  onClose,
}: {
  id: number;
  companyId: string;
  onClose: () => void;
}) {
  const client = useQueryClient();
  const tell = useTell();
  const letter = useQuery({
    queryKey: ["company", companyId, "dead-letters", id],
    queryFn: () => request<DeadLetter>("GET", `/dead-letters/${id}`),
  });
  const act = async (method: "POST" | "DELETE", path: string, done: string): Promise<void> => {
    try {
      await request(method, path);
      tell.done(done);
      onClose();
    } catch (error) {
      tell.failed("The letter is as it was", error);
    }
    void client.invalidateQueries({ queryKey: ["company", companyId, "dead-letters"] });
  };
  return (
    <Dialog title={`Dead letter ${id}`} onClose={onClose}>
      <Loaded of={letter}>
        {(found) => (
          <div class="fields">
            <Facts
              of={[
                ["When", dateTime(found.createdAt)],
                ["Kind", found.kind],
                ["Failed at", found.stage],
                ["Why", found.reason],
              ]}
            />
            <pre class="json" tabIndex={0}>
              {textOf(found.payloadBase64 ?? "")}
            </pre>
            <footer>
              <button
                type="button"
                class="danger"
                onClick={() => void act("DELETE", `/dead-letters/${id}`, "The letter is dropped")}
              >
                Drop
              </button>
              <button
                type="button"
                class="primary"
                onClick={() =>
                  void act(
                    "POST",
                    `/dead-letters/${id}/replay`,
                    "The message is in the mailbox again",
                  )
                }
              >
                Replay
              </button>
            </footer>
          </div>
        )}
      </Loaded>
    </Dialog>
  );
}

/** What is no text is shown as such: a payload may be anything. */
const textOf = (base64: string): string =>
  new TextDecoder().decode(Uint8Array.from(atob(base64), (char) => char.charCodeAt(0)));
