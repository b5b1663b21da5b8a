// Asks the service in this container how it is: the images' HEALTHCHECK. Ends with 0 when the path answers 200, else with 1 and why.
// Knows no service: where to ask stands in the environment that the service itself reads.

/** Below the HEALTHCHECK's own 5 s, which count node's start as well. */
const patienceMs = 3_000;

const port = process.env.REVEILLE_HEALTH_PORT;
// Listening on all addresses includes loopback; on a certain one it does not.
const host = process.env.REVEILLE_HEALTH_HOST ?? "127.0.0.1";
const address = ["0.0.0.0", "::"].includes(host) ? "127.0.0.1" : host;
const path = process.argv[2] ?? "/livez";

try {
  if (!port) throw new Error("REVEILLE_HEALTH_PORT is not set: the service serves no health");
  const name = address.includes(":") ? `[${address}]` : address;
  const { status } = await fetch(`http://${name}:${port}${path}`, {
    signal: AbortSignal.timeout(patienceMs),
  });
  if (status !== 200) throw new Error(`${path} answers ${status}`);
} catch (error) {
  console.error(`unhealthy: ${error.cause?.message ?? error.message}`);
  process.exitCode = 1;
}
