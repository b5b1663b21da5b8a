/** A list of which only the lines that are seen exist. All lines have one height. The chosen line is kept in sight. */
import {
  elementScroll,
  observeElementOffset,
  observeElementRect,
  Virtualizer,
} from "@tanstack/virtual-core";
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useReducer, useRef, useState } from "preact/hooks";

/** Lines above and below what is seen, so that scrolling shows no gaps. */
const overscan = 8;

export function VirtualList<T>(props: {
  items: readonly T[];
  /** Pixels. */
  rowHeight: number;
  keyOf: (item: T) => string;
  /** Index of the line that keys act on; -1: none. */
  chosen?: number;
  label: string;
  children: (item: T, index: number) => ComponentChildren;
}) {
  const { items, rowHeight, keyOf, chosen = -1, label, children } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const [, draw] = useReducer<number, null>((count) => count + 1, 0);
  const options = {
    count: items.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowHeight,
    getItemKey: (index: number) => keyOf(items[index]!),
    overscan,
    scrollToFn: elementScroll,
    observeElementRect,
    observeElementOffset,
    onChange: () => draw(null),
  };
  const [virtualizer] = useState(() => new Virtualizer<HTMLDivElement, HTMLDivElement>(options));
  virtualizer.setOptions(options);
  useLayoutEffect(() => virtualizer._didMount(), [virtualizer]);
  useLayoutEffect(() => virtualizer._willUpdate());
  useLayoutEffect(() => {
    if (chosen >= 0) virtualizer.scrollToIndex(chosen, { align: "auto" });
  }, [chosen, virtualizer]);
  return (
    <div ref={scroller} class="virtual" tabIndex={0} role="list" aria-label={label}>
      <div class="extent" role="presentation" style={{ height: `${virtualizer.getTotalSize()}px` }}>
        {virtualizer.getVirtualItems().map(({ key, index, start }) => (
          <div
            key={key}
            role="listitem"
            aria-setsize={items.length}
            aria-posinset={index + 1}
            class={index === chosen ? "row chosen" : "row"}
            style={{ height: `${rowHeight}px`, transform: `translateY(${start}px)` }}
          >
            {children(items[index]!, index)}
          </div>
        ))}
      </div>
    </div>
  );
}
