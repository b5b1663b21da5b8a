/** Where a log is scrolled to: at its end for as long as one follows, else where the reader left it. */
import type { RefObject } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { LogRows } from "./log-rows.js";

/** Of one row, pixels; the style sheet has the same. */
export const rowPixels = 18;
/** What stands before the text of a line, in characters: its number and its stream. */
const marginColumns = 10;
/** So near to the end is at it: a scroll bar has no exact end. */
const endPixels = 24;

interface Options {
  rows: LogRows;
  version: number;
  dropped: number;
  /** Told how many characters fit into a row. */
  setColumns: (columns: number) => void;
}

export function useLogScroll(
  scroller: RefObject<HTMLDivElement>,
  { rows, version, dropped, setColumns }: Options,
) {
  const [following, setFollowing] = useState(true);
  const [seen, setSeen] = useState({ top: 0, height: 600 });
  const left = useRef(0);
  const last = useRef({ dropped: 0, top: 0 });
  useEffect(() => {
    const element = scroller.current;
    if (!element) return;
    const measure = (): void => {
      setSeen({ top: element.scrollTop, height: element.clientHeight });
      setColumns(columnsOf(element));
    };
    const scrolled = (): void => {
      const { scrollTop: top, clientHeight: height, scrollHeight } = element;
      setSeen({ top, height });
      const atEnd = scrollHeight - top - height < endPixels;
      // Only the reader moves up: new lines push the end down.
      if (top < last.current.top && !atEnd) setFollowing(false);
      else if (atEnd) setFollowing(true);
      last.current.top = top;
    };
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    element.addEventListener("scroll", scrolled, { passive: true });
    return () => {
      observer.disconnect();
      element.removeEventListener("scroll", scrolled);
    };
  }, [scroller, setColumns]);
  useLayoutEffect(() => {
    const element = scroller.current;
    if (!element) return;
    if (following) {
      element.scrollTop = element.scrollHeight;
      left.current = rows.count;
    } else if (dropped > last.current.dropped)
      element.scrollTop -= (dropped - last.current.dropped) * rowPixels;
    last.current.dropped = dropped;
  }, [scroller, following, rows, rows.count, version, dropped]);
  const toggle = (): void => setFollowing((now) => !now);
  return {
    following,
    seen,
    /** Rows that came since the reader stopped to follow. */
    fresh: following ? 0 : Math.max(0, rows.count - left.current),
    toggle,
    /** Brings a shown line into the middle. */
    show: (position: number): void => {
      setFollowing(false);
      const element = scroller.current;
      if (element)
        element.scrollTop = Math.max(
          0,
          rows.rowOf(position) * rowPixels - element.clientHeight / 2,
        );
    },
  };
}

/** How many characters fit beside the margin. */
function columnsOf(element: HTMLElement): number {
  const probe = document.createElement("span");
  probe.className = "log-probe";
  probe.textContent = "0".repeat(100);
  element.append(probe);
  const width = probe.getBoundingClientRect().width / 100;
  probe.remove();
  const fits = Math.floor(element.clientWidth / (width > 0 ? width : 8)) - marginColumns;
  return Math.max(20, fits);
}
