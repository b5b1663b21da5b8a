// The proxy itself: each fault does what its name says and is counted, and nothing else happens to the bytes.
import { randomBytes } from "node:crypto";
import { createServer, connect, type AddressInfo, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startProxy, type Proxy } from "../harness/proxy.js";
import { until } from "../harness/until.js";

let server: Server;
let proxy: Proxy;
const accepted: Socket[] = [];
/** What the server has heard, by connection. */
let heard: Buffer[] = [];

beforeEach(async () => {
  accepted.length = 0;
  heard = [];
  server = createServer({ allowHalfOpen: true }, (socket) => {
    const index = accepted.push(socket) - 1;
    heard[index] = Buffer.alloc(0);
    socket.on("error", () => undefined);
    socket.on("data", (bytes: Buffer) => {
      heard[index] = Buffer.concat([heard[index]!, bytes]);
      socket.write(bytes);
    });
    socket.on("end", () => socket.end("bye"));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  proxy = await startProxy((server.address() as AddressInfo).port);
});
afterEach(async () => {
  await proxy.stop();
  for (const socket of accepted) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
});

interface Caller {
  socket: Socket;
  got: () => string;
  gotBytes: () => Buffer;
  state: () => "open" | "ended" | "reset";
}
function call(): Caller {
  const chunks: Buffer[] = [];
  let state: ReturnType<Caller["state"]> = "open";
  const socket = connect({ port: proxy.port, host: "127.0.0.1", allowHalfOpen: true });
  socket.on("data", (bytes: Buffer) => chunks.push(bytes));
  socket.on("end", () => (state = "ended"));
  socket.on("error", () => (state = "reset"));
  return {
    socket,
    got: () => Buffer.concat(chunks).toString(),
    gotBytes: () => Buffer.concat(chunks),
    state: () => state,
  };
}

test("passes bytes and ends as they are, both ways", async () => {
  const caller = call();
  const bytes = randomBytes(3_000_000);
  caller.socket.end(bytes);
  await until("echoed, then the server's last word", () => caller.state() === "ended");
  expect(caller.gotBytes().equals(Buffer.concat([bytes, Buffer.from("bye")]))).toBe(true);
  expect(proxy.counts).toMatchObject({ connections: 1, resets: 0, repliesDropped: 0, held: 0 });
  expect(proxy.counts.bytes).toEqual({ up: bytes.length, down: bytes.length + 3 });
  await until("the link is gone", () => proxy.open === 0);
});

test("delays each way and keeps the order; a slow link is slow", async () => {
  const caller = call();
  proxy.delay(100, 50);
  const from = performance.now();
  for (const word of ["one ", "two ", "three"]) caller.socket.write(word);
  await until("echoed", () => caller.got() === "one two three");
  expect(performance.now() - from).toBeGreaterThan(100);
  proxy.heal();
  proxy.throttle(20_000);
  const slowFrom = performance.now();
  caller.socket.write(Buffer.alloc(10_000));
  await until("echoed slowly", () => caller.gotBytes().length === 10_013);
  // Half a second up; the way back goes on beside it, piece by piece.
  expect(performance.now() - slowFrom).toBeGreaterThan(450);
});

test("a black hole tells nobody; when it ends, what was held arrives", async () => {
  const caller = call();
  caller.socket.write("before ");
  await until("echoed", () => caller.got() === "before ");
  proxy.blackhole();
  caller.socket.write("during");
  await until("it is held", () => proxy.counts.held > 0);
  const late = call();
  late.socket.write("late");
  await until("accepted", () => proxy.counts.connections === 2);
  expect(accepted).toHaveLength(1);
  expect([caller.state(), late.state(), heard[0]!.toString()]).toEqual(["open", "open", "before "]);
  proxy.heal();
  await until("both are served", () => caller.got() === "before during" && late.got() === "late");
});

test("half open: one way goes on, and an end that died is not told", async () => {
  const caller = call();
  caller.socket.write("a");
  await until("echoed", () => caller.got() === "a");
  proxy.blackhole("down");
  caller.socket.write("b");
  await until("the server hears", () => heard[0]!.toString() === "ab");
  accepted[0]!.resetAndDestroy();
  caller.socket.write("c");
  await until("the rest came as far as the link", () => proxy.counts.bytes.up === 3);
  expect([caller.got(), caller.state()]).toEqual(["a", "open"]);
  proxy.heal();
  await until("told now", () => caller.state() !== "open");
});

test("half close ends one way, reset both", async () => {
  const [first, second] = [call(), call()];
  first.socket.write("1");
  second.socket.write("2");
  await until("both are open", () => first.got() === "1" && second.got() === "2");
  proxy.halfClose("down");
  await until("both heard the end", () => first.state() === "ended" && second.state() === "ended");
  first.socket.write("still");
  await until("the other way is open", () => heard.some((each) => each.toString() === "1still"));
  proxy.reset();
  await until("both were reset", () => proxy.open === 0);
  expect(proxy.counts).toMatchObject({ resets: 2, halfCloses: 2 });
});

test("loses exactly the reply that was meant", async () => {
  const [talker, other] = [call(), call()];
  talker.socket.write("hello");
  await until("open", () => talker.got() === "hello");
  proxy.dropNextReply({ request: (bytes) => bytes.includes("COMMIT") });
  other.socket.write("read");
  await until("not this one", () => other.got() === "read");
  talker.socket.write("COMMIT");
  await until("broken in place of the reply", () => talker.state() !== "open");
  expect(talker.got()).toBe("hello");
  expect(heard[0]!.toString()).toBe("helloCOMMIT");
  expect(proxy.counts).toMatchObject({ repliesDropped: 1, resets: 1 });
  const again = call();
  again.socket.write("COMMIT");
  await until("only once", () => again.got() === "COMMIT");
});

test("a server that is not there looks so", async () => {
  const caller = call();
  caller.socket.write("x");
  await until("echoed", () => caller.got() === "x");
  for (const socket of accepted) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
  caller.socket.end();
  const late = call();
  await until("refused", () => late.state() !== "open");
  await until("no link is left", () => proxy.open === 0);
});
