/** Short messages: what was done, or why not. Errors stay until they are closed. */
import { createContext } from "preact";
import type { ComponentChildren } from "preact";
import { useCallback, useContext, useState } from "preact/hooks";
import { reasonOf } from "../api/client.js";

interface Toast {
  id: number;
  kind: "done" | "failed";
  text: string;
}
interface Tell {
  done: (text: string) => void;
  /** What was tried, and the error that it ended with. */
  failed: (what: string, error: unknown) => void;
}

const shownMs = 5_000;
/** More would cover the page. */
const shownMax = 4;
const TellContext = createContext<Tell>({ done: () => undefined, failed: () => undefined });
let lastId = 0;

export function Toasts({ children }: { children: ComponentChildren }) {
  const [toasts, setToasts] = useState<Toast[]>([]);
  const close = useCallback(
    (id: number) => setToasts((all) => all.filter((each) => each.id !== id)),
    [],
  );
  const [tell] = useState<Tell>(() => {
    const add = (kind: Toast["kind"], text: string): number => {
      lastId += 1;
      const toast = { id: lastId, kind, text };
      setToasts((all) => [...all, toast].slice(-shownMax));
      return toast.id;
    };
    return {
      done: (text) => {
        const id = add("done", text);
        setTimeout(() => close(id), shownMs);
      },
      failed: (what, error) => void add("failed", `${what}: ${reasonOf(error)}`),
    };
  });
  return (
    <TellContext.Provider value={tell}>
      {children}
      <div class="toasts" role="status" aria-live="polite">
        {toasts.map(({ id, kind, text }) => (
          <div key={id} class={`toast ${kind}`}>
            <span>{text}</span>
            <button
              type="button"
              class="quiet"
              aria-label="Close this message"
              onClick={() => close(id)}
            >
              ✕
            </button>
          </div>
        ))}
      </div>
    </TellContext.Provider>
  );
}

export const useTell = (): Tell => useContext(TellContext);
