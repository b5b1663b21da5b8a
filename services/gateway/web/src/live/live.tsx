/** The live events of the company that is shown, for every component: what they told, how current that is, and frames as they come. */
import { createContext } from "preact";
import type { ComponentChildren } from "preact";
import { useContext, useEffect, useReducer, useRef, useState } from "preact/hooks";
import { useQueryClient } from "@tanstack/preact-query";
import { EventsSocket } from "./events-socket.js";
import type { Connection } from "./events-socket.js";
import { LiveState } from "./live-state.js";
import type { Frame } from "./live-state.js";
import { refreshAfter } from "./refresh.js";

type Listener = (frame: Frame) => void;
interface Live {
  state: LiveState;
  connection: Connection;
  /** Grows with every change of the state: what depends on it is drawn anew. */
  version: number;
  listeners: Set<Listener>;
}

const nothing: Live = {
  state: new LiveState(),
  connection: "connecting",
  version: 0,
  listeners: new Set(),
};
const LiveContext = createContext<Live>(nothing);

/** Frames are many and screens are slow: drawn at most ten times a second. */
const drawMs = 100;

export function LiveProvider({
  companyId,
  children,
}: {
  companyId: string;
  children: ComponentChildren;
}) {
  const client = useQueryClient();
  const listeners = useRef(new Set<Listener>()).current;
  const [socket, setSocket] = useState<EventsSocket | null>(null);
  const [version, draw] = useReducer<number, null>((count) => count + 1, 0);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const soon = (): void => {
      timer ??= setTimeout(() => {
        timer = undefined;
        draw(null);
      }, drawMs);
    };
    const refresh = refreshAfter(client, companyId);
    const opened = new EventsSocket(companyId, {
      frame: (frame) => {
        for (const each of listeners) each(frame);
        refresh.take(frame);
        soon();
      },
      change: soon,
    });
    setSocket(opened);
    return () => {
      opened.stop();
      refresh.stop();
      clearTimeout(timer);
    };
  }, [companyId, client, listeners]);
  const state = socket?.state ?? nothing.state;
  const connection = socket?.connection ?? "connecting";
  return (
    <LiveContext.Provider value={{ state, connection, version, listeners }}>
      {children}
    </LiveContext.Provider>
  );
}

export const useLive = (): Live => useContext(LiveContext);

/** Calls the listener for every frame that tells something new. */
export function useFrames(listener: Listener): void {
  const { listeners } = useLive();
  const latest = useRef(listener);
  latest.current = listener;
  useEffect(() => {
    const call: Listener = (frame) => latest.current(frame);
    listeners.add(call);
    return () => void listeners.delete(call);
  }, [listeners]);
}
