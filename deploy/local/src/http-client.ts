// Owns calls of the HTTP API by the sample company, the progress display and the demo: JSON in, JSON out, each bounded.

export type Row = Record<string, unknown>;

/** 15 s: longer than a gateway waits for a verdict before it answers all the same. */
const TIMEOUT_MS = 15_000;

/** One call below `/api`. @throws Error with the API's own words when the answer is no success. */
export async function callApi(
  http: string,
  method: string,
  path: string,
  body?: object,
): Promise<unknown> {
  const response = await fetch(`${http}/api${path}`, {
    method,
    signal: AbortSignal.timeout(TIMEOUT_MS),
    ...(body
      ? { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }
      : {}),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text.slice(0, 300)}`);
  return JSON.parse(text);
}

export const getRow = async (http: string, path: string): Promise<Row> =>
  (await callApi(http, "GET", path)) as Row;
export const getRows = async (http: string, path: string): Promise<Row[]> =>
  (await callApi(http, "GET", path)) as Row[];
export const postRow = async (http: string, path: string, body: object = {}): Promise<Row> =>
  (await callApi(http, "POST", path, body)) as Row;

/** The text in a field; empty when there is none. */
export const textOf = (row: Row, key: string): string => {
  const value = row[key];
  return typeof value === "string" ? value : "";
};
