// Owns a TCP link between a service and a server that a test can make slow, cut one way or both, close half, reset, or make lose exactly
// one reply. Counts what it did, so that a test can show that its fault happened. Knows no protocol: callers say which bytes they mean.
import { createServer, connect, type AddressInfo, type Socket } from "node:net";
import { fairWeather, Flow, type Weather } from "./proxy-flow.js";

/** `up` is towards the server. */
export type Direction = "up" | "down";
export interface ProxyCounts {
  connections: number;
  resets: number;
  halfCloses: number;
  repliesDropped: number;
  /** Chunks that arrived while their direction was held. */
  held: number;
  bytes: Record<Direction, number>;
}

export interface Proxy {
  readonly port: number;
  readonly counts: Readonly<ProxyCounts>;
  /** Connections that live now. */
  readonly open: number;
  /** The same address with this link in between. */
  urlOf(target: string): string;
  delay(delayMs: number, jitterMs?: number): void;
  /** For all connections together, each way. */
  throttle(bytesPerSecond: number): void;
  /**
   * Nothing gets through, and nobody is told: open connections stay open, new ones are accepted and not connected. With one
   * direction the connections are half open.
   */
  blackhole(direction?: Direction): void;
  /** No more weather: what was held arrives now. */
  heal(): void;
  /** The end (FIN) of all open connections, in one direction; the other goes on. */
  halfClose(direction: Direction): void;
  /** RST to both ends of all open connections, as Node does it: directly behind the end of what was written before. */
  reset(): void;
  /**
   * The next reply that matches, on a connection on which a matching request went up before, gets lost: both ends see a reset instead.
   * Armed once; `counts.repliesDropped` says that it happened.
   */
  dropNextReply(match?: {
    request?: (bytes: Buffer) => boolean;
    reply?: (bytes: Buffer) => boolean;
  }): void;
  stop(): Promise<void>;
}

interface Link {
  readonly client: Socket;
  readonly server: Socket;
  readonly flows: readonly Flow[];
  /** The request whose reply is to be lost has gone up here. */
  asked: boolean;
}
interface Trap {
  request: (bytes: Buffer) => boolean;
  reply: (bytes: Buffer) => boolean;
}
const anything = (): boolean => true;

/** Starts a link to a port on the loopback interface. */
export async function startProxy(targetPort: number): Promise<Proxy> {
  const links = new Set<Link>();
  const weather: Record<Direction, Weather> = { up: fairWeather(), down: fairWeather() };
  const counts: ProxyCounts = {
    connections: 0,
    resets: 0,
    halfCloses: 0,
    repliesDropped: 0,
    held: 0,
    bytes: { up: 0, down: 0 },
  };
  const state = { trap: null as Trap | null, waiting: new Set<Socket>() };

  const end = (link: Link): void => {
    if (!links.delete(link)) return;
    for (const flow of link.flows) flow.stop();
    for (const socket of [link.client, link.server])
      if (!socket.destroyed) socket.resetAndDestroy();
    counts.resets += 1;
  };
  const inspect = (link: () => Link, direction: Direction) => (bytes: Buffer) => {
    counts.bytes[direction] += bytes.length;
    if (weather[direction].held) counts.held += 1;
    const { trap } = state;
    if (!trap) return true;
    const own = link();
    if (direction === "up") own.asked ||= trap.request(bytes);
    else if (own.asked && trap.reply(bytes)) {
      state.trap = null;
      counts.repliesDropped += 1;
      end(own);
      return false;
    }
    return true;
  };
  const join = (client: Socket): void => {
    state.waiting.delete(client);
    if (client.destroyed) return;
    const server = connect({ port: targetPort, host: "127.0.0.1", allowHalfOpen: true });
    const link: Link = {
      client,
      server,
      flows: [
        new Flow(
          client,
          server,
          weather.up,
          inspect(() => link, "up"),
        ),
        new Flow(
          server,
          client,
          weather.down,
          inspect(() => link, "down"),
        ),
      ],
      asked: false,
    };
    links.add(link);
    watch(link, () => links.delete(link));
    for (const flow of link.flows) flow.kick();
  };
  const listener = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) => {
    counts.connections += 1;
    client.on("error", () => undefined).setNoDelay(true);
    // A handshake needs both directions.
    if (weather.up.held || weather.down.held) state.waiting.add(client);
    else join(client);
  });
  await new Promise<void>((resolve, reject) => {
    listener.once("error", reject);
    listener.listen(0, "127.0.0.1", resolve);
  });
  const { port } = listener.address() as AddressInfo;
  const both = [weather.up, weather.down];

  return {
    port,
    counts,
    get open() {
      return links.size;
    },
    urlOf: (target) => {
      const url = new URL(target);
      url.hostname = "127.0.0.1";
      url.port = String(port);
      return url.href;
    },
    delay: (delayMs, jitterMs = 0) =>
      both.forEach((each) => Object.assign(each, { delayMs, jitterMs })),
    throttle: (bytesPerSecond) => both.forEach((each) => Object.assign(each, { bytesPerSecond })),
    blackhole: (direction) => {
      for (const each of direction ? [weather[direction]] : both) each.held = true;
    },
    heal: () => {
      both.forEach((each) => Object.assign(each, fairWeather()));
      for (const { flows } of links) for (const flow of flows) flow.kick();
      for (const client of state.waiting) join(client);
    },
    halfClose: (direction) => {
      for (const { client, server } of links) (direction === "up" ? server : client).end();
      counts.halfCloses += links.size;
    },
    reset: () => {
      for (const link of links) end(link);
    },
    dropNextReply: ({ request = anything, reply = anything } = {}) => {
      for (const link of links) link.asked = false;
      state.trap = { request, reply };
    },
    stop: async () => {
      for (const link of links) end(link);
      for (const client of state.waiting) client.destroy();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
}

/** An end that broke breaks the other one, in its order; when both are gone the link is. */
function watch(link: Link, gone: () => void): void {
  const { client, server, flows } = link;
  server.on("error", () => undefined).setNoDelay(true);
  const closed = (): void => {
    if (!client.destroyed || !server.destroyed) return;
    for (const flow of flows) flow.stop();
    gone();
  };
  client.on("close", closed);
  server.on("close", closed);
}
