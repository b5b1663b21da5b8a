/** What one can do with a log: search, follow, wrap, hide a stream, take it away as a file. */
import { useState } from "preact/hooks";
import { useTell } from "../shell/toasts.js";
import { bytes } from "../view/format.js";
import { downloadLog } from "./download.js";
import type { LogChoices } from "./log-view.js";

const streams = ["stdout", "stderr", "system"] as const;

export function LogTools(props: {
  runId: string;
  choices: LogChoices;
  change: (more: Partial<LogChoices>) => void;
  hits: number;
  hit: number;
  go: (by: number) => void;
  following: boolean;
  toggle: () => void;
}) {
  const { runId, choices, change, hits, hit, go, following, toggle } = props;
  const { search, hidden, wrap, times } = choices;
  const flip = (stream: string): void => {
    const next = new Set(hidden);
    if (!next.delete(stream)) next.add(stream);
    change({ hidden: next });
  };
  return (
    <div class="log-tools" role="toolbar" aria-label="Log">
      <input
        type="search"
        placeholder="Search log  ( / )"
        aria-label="Search the log"
        value={search}
        onInput={({ currentTarget }) => change({ search: currentTarget.value })}
        onKeyDown={({ key, shiftKey }) => {
          if (key === "Enter") go(shiftKey ? -1 : 1);
        }}
      />
      {search === "" ? null : (
        <span class="faint" role="status">
          {hits === 0 ? "no hits" : `${hit < 0 ? "" : `${hit + 1} of `}${hits}`}
        </span>
      )}
      <span class="grow" />
      {streams.map((stream) => (
        <button
          key={stream}
          type="button"
          class={`toggle ${stream}`}
          aria-pressed={!hidden.has(stream)}
          onClick={() => flip(stream)}
        >
          {stream}
        </button>
      ))}
      <button
        type="button"
        class="toggle"
        aria-pressed={wrap}
        onClick={() => change({ wrap: !wrap })}
      >
        Wrap
      </button>
      <button
        type="button"
        class="toggle"
        aria-pressed={times}
        onClick={() => change({ times: !times })}
      >
        Times
      </button>
      <button type="button" class="toggle" aria-pressed={following} onClick={toggle}>
        {following ? "Following" : "Paused"}
      </button>
      <Download runId={runId} />
    </div>
  );
}

function Download({ runId }: { runId: string }) {
  const tell = useTell();
  const [chars, setChars] = useState<number | null>(null);
  const download = async (): Promise<void> => {
    setChars(0);
    try {
      await downloadLog(runId, setChars);
    } catch (error) {
      tell.failed("The log was not downloaded", error);
    } finally {
      setChars(null);
    }
  };
  return (
    <button type="button" disabled={chars !== null} onClick={() => void download()}>
      {chars === null ? "Download" : bytes(chars)}
    </button>
  );
}
