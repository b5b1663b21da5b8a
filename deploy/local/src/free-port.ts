// Owns picking TCP ports on the loopback interface.
import { createServer } from "node:net";

/**
 * A port that was free a moment ago; `preferred` if it is free. Another process may take it before it is used: callers of
 * servers that can choose a port by themselves should let them.
 */
export async function freePort(preferred = 0): Promise<number> {
  const port = await bind(preferred);
  if (port !== undefined) return port;
  const any = await bind(0);
  if (any === undefined) throw new Error("no free TCP port on 127.0.0.1");
  return any;
}

function bind(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(undefined));
    server.listen(port, "127.0.0.1", () => {
      const address = server.address();
      const bound = typeof address === "object" && address ? address.port : undefined;
      server.close(() => resolve(bound));
    });
  });
}
