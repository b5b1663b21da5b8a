/** Keys that do something while nobody types. Components say which; the last one that does wins. Knows no page. */
import { useEffect, useRef } from "preact/hooks";

export type Keys = Readonly<Record<string, () => void>>;

const layers: { current: Keys }[] = [];

function typing(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName))
  );
}

/** Listens once for the whole page. */
export function listenForKeys(): void {
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (typing(event.target)) {
      if (event.key === "Escape") (event.target as HTMLElement).blur();
      return;
    }
    // A dialog has the keys to itself; the browser closes it with Escape.
    if (document.querySelector("dialog[open]")) return;
    const layer = layers.findLast(({ current }) => current[event.key] !== undefined);
    if (!layer) return;
    event.preventDefault();
    layer.current[event.key]?.();
  });
}

/** Binds keys for as long as the component is shown. */
export function useKeys(keys: Keys): void {
  const latest = useRef(keys);
  latest.current = keys;
  useEffect(() => {
    layers.push(latest);
    return () => void layers.splice(layers.indexOf(latest), 1);
  }, []);
}
