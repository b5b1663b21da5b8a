/** Which page is shown: the path, as segments. Links are real links; the browser's history does the rest. Knows no page. */
import { createContext } from "preact";
import type { ComponentChildren, JSX } from "preact";
import { useContext, useEffect, useState } from "preact/hooks";

interface Place {
  /** Parts of the path, decoded; none: the start. */
  segments: readonly string[];
  query: URLSearchParams;
}

const changed = "reveille:navigated";

const here = (): Place => ({
  segments: location.pathname.split("/").flatMap((part) => (part === "" ? [] : [decoded(part)])),
  query: new URLSearchParams(location.search),
});

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // not encoded properly: no page has such a name
  }
}

/** Goes to a path of the console. `replace`: without a step in the history. */
export function navigate(path: string, { replace = false } = {}): void {
  if (replace) history.replaceState(null, "", path);
  else history.pushState(null, "", path);
  dispatchEvent(new Event(changed));
}

const PlaceContext = createContext<Place>({ segments: [], query: new URLSearchParams() });

export function Router({ children }: { children: ComponentChildren }) {
  const [place, setPlace] = useState(here);
  useEffect(() => {
    const update = (): void => setPlace(here());
    addEventListener("popstate", update);
    addEventListener(changed, update);
    return () => {
      removeEventListener("popstate", update);
      removeEventListener(changed, update);
    };
  }, []);
  return <PlaceContext.Provider value={place}>{children}</PlaceContext.Provider>;
}

export const usePlace = (): Place => useContext(PlaceContext);

/** A link inside of the console. */
export function Link({ href, onClick, ...rest }: JSX.IntrinsicElements["a"] & { href: string }) {
  return (
    <a
      {...rest}
      href={href}
      onClick={(event) => {
        onClick?.(event);
        const elsewhere =
          event.metaKey || event.ctrlKey || event.shiftKey || event.altKey || event.button !== 0;
        if (elsewhere || event.defaultPrevented) return;
        event.preventDefault();
        navigate(href);
      }}
    />
  );
}
