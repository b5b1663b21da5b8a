/** A run's log on the screen: follows, stops, searches, wraps; draws only what is seen. */
import { useEffect, useMemo, useReducer, useRef, useState } from "preact/hooks";
import { useKeys } from "../shell/keyboard.js";
import { count } from "../view/format.js";
import { plainText } from "./ansi.js";
import type { LogLine } from "./log-buffer.js";
import { LogRows } from "./log-rows.js";
import { LogSocket } from "./log-socket.js";
import { LogLines } from "./log-lines.js";
import { LogTools } from "./log-tools.js";
import { useLogScroll } from "./use-log-scroll.js";

/** The socket of a run, and a number that grows when it has something new: once a frame of the screen. */
function useLog(runId: string): [LogSocket | null, number] {
  const [version, draw] = useReducer<number, null>((number) => number + 1, 0);
  const [socket, setSocket] = useState<LogSocket | null>(null);
  useEffect(() => {
    let frame: number | undefined;
    const opened = new LogSocket(runId, () => {
      frame ??= requestAnimationFrame(() => {
        frame = undefined;
        draw(null);
      });
    });
    setSocket(opened);
    return () => {
      opened.stop();
      if (frame !== undefined) cancelAnimationFrame(frame);
    };
  }, [runId]);
  return [socket, version];
}

export interface LogChoices {
  wrap: boolean;
  times: boolean;
  hidden: ReadonlySet<string>;
  search: string;
}
const usual: LogChoices = { wrap: true, times: false, hidden: new Set(), search: "" };

/** Positions (among the lines that are shown) that have the text. */
function hitsOf(lines: readonly LogLine[], shown: readonly number[], search: string): number[] {
  if (search === "") return [];
  const wanted = search.toLowerCase();
  return shown.flatMap((index, at) =>
    plainText(lines[index]!.text).toLowerCase().includes(wanted) ? [at] : [],
  );
}

export function LogView({ runId, live }: { runId: string; live: boolean }) {
  const [socket, version] = useLog(runId);
  const [choices, setChoices] = useState(usual);
  const [hit, setHit] = useState(-1);
  const scroller = useRef<HTMLDivElement>(null);
  const [columns, setColumns] = useState<number | null>(null);
  const wrapAt = choices.wrap ? columns : null;
  const lines = socket?.buffer.lines ?? [];
  const rows = useRows(socket, version, wrapAt, choices.hidden);
  const scroll = useLogScroll(scroller, {
    rows,
    version,
    dropped: socket?.buffer.dropped ?? 0,
    setColumns,
  });
  const hits = useMemo(
    () => hitsOf(lines, rows.shown, choices.search),
    [lines, rows, version, choices.search],
  );
  const go = (by: number): void => {
    if (hits.length === 0) return;
    const next = ((((hit < 0 && by < 0 ? 0 : hit) + by) % hits.length) + hits.length) % hits.length;
    setHit(next);
    scroll.show(hits[next]!);
  };
  useKeys({ f: scroll.toggle, n: () => go(1), N: () => go(-1) });
  return (
    <section class="log" aria-label="Log">
      <LogTools
        runId={runId}
        choices={choices}
        change={(more) => {
          setHit(-1);
          setChoices({ ...choices, ...more });
        }}
        hits={hits.length}
        hit={hit}
        go={go}
        following={scroll.following}
        toggle={scroll.toggle}
      />
      {socket && socket.buffer.dropped > 0 ? (
        <p class="note">
          The first {count(socket.buffer.dropped)} lines are not kept in this page; the download has
          them.
        </p>
      ) : null}
      <LogLines
        scroller={scroller}
        lines={lines}
        rows={rows}
        seen={scroll.seen}
        wrap={choices.wrap}
        times={choices.times}
        search={choices.search}
        chosen={hits[hit] ?? -1}
      />
      <LogState
        socket={socket}
        live={live}
        empty={lines.length === 0}
        fresh={scroll.fresh}
        toEnd={scroll.toggle}
      />
    </section>
  );
}

/** Rows are counted anew when they are counted otherwise, else only from the first line that changed. */
function useRows(
  socket: LogSocket | null,
  version: number,
  columns: number | null,
  hidden: ReadonlySet<string>,
): LogRows {
  const rows = useMemo(() => {
    const made = new LogRows({ columns, hidden });
    socket?.buffer.takeFirstChanged();
    made.update(socket?.buffer.lines ?? [], 0);
    return made;
  }, [socket, columns, hidden]);
  useMemo(() => {
    if (socket) rows.update(socket.buffer.lines, socket.buffer.takeFirstChanged());
  }, [socket, rows, version]);
  return rows;
}

function LogState(props: {
  socket: LogSocket | null;
  live: boolean;
  empty: boolean;
  fresh: number;
  toEnd: () => void;
}) {
  const { socket, live, empty, fresh, toEnd } = props;
  const said = socket?.end
    ? `The end: ${socket.end.status.replaceAll("_", " ")}`
    : socket && !socket.connected
      ? "Cut off; it goes on where it was as soon as the gateway answers"
      : empty
        ? live
          ? "It has printed nothing yet"
          : "It printed nothing, or its log is not kept any more"
        : "Following";
  return (
    <footer class="note" role="status">
      <span>{said}</span>
      {fresh > 0 ? (
        <button type="button" class="quiet" onClick={toEnd}>
          {count(fresh)} new rows ↓
        </button>
      ) : null}
    </footer>
  );
}
