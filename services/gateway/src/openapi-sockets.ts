/** The WebSockets in the OpenAPI document, which has no words for their frames: these are described in text. */

const problem = { $ref: "#/components/responses/Problem" };
const refusals = Object.fromEntries(
  ["400", "401", "403", "404", "4XX", "5XX"].map((status) => [status, problem]),
);

const parameter = (
  place: "path" | "query",
  name: string,
  description: string,
  more: Record<string, unknown> = {},
) => ({
  name,
  in: place,
  required: place === "path",
  description,
  schema: { type: "string", ...more },
});
const uuid = { format: "uuid" };
const token = parameter("query", "token", "A credential, for clients that cannot set a header");

export const socketPaths = {
  "/api/companies/{companyId}/events/ws": {
    get: {
      operationId: "getApiCompaniesCompanyIdEventsWs",
      tags: ["Companies"],
      summary: "Live events of a company, over WebSocket",
      description:
        "Frames `{id, companyId, type, createdAt, payload}`; `id` counts the frames of this connection. Types: " +
        "heartbeat.run.queued, heartbeat.run.status, heartbeat.run.event, heartbeat.run.log, agent.status, issue.lock, " +
        "activity.logged, mailbox.gap. Frames are told, not kept. With `snapshot`, `since` or `runs` the first frame is " +
        "`snapshot` `{agents, runs}`, then come the run events that were missed, then `caught-up` `{complete}`, then live frames.",
      parameters: [
        parameter("path", "companyId", "The company", uuid),
        token,
        parameter("query", "snapshot", "1: begin with the state of agents and live runs", {
          enum: ["1"],
        }),
        parameter("query", "since", "`createdAt` of the last frame seen: runs since then are new", {
          format: "date-time",
        }),
        parameter(
          "query",
          "runs",
          "`<run id>:<last event number>`, comma-separated, at most 350: their later events are told",
        ),
      ],
      responses: { "101": { description: "The connection is a WebSocket now" }, ...refusals },
      "x-websocket": true,
    },
  },
  "/api/heartbeat-runs/{runId}/log/ws": {
    get: {
      operationId: "getApiHeartbeatRunsRunIdLogWs",
      tags: ["Runs"],
      summary: "The log of a run as it is written, over WebSocket",
      description:
        "Frames `{event: log, id, data: {attempt, ts, stream, chunk}}` and at last `{event: end, id, data}` with the run's end; " +
        "then the connection closes. `after` goes on behind a frame.",
      parameters: [
        parameter("path", "runId", "The run", uuid),
        token,
        parameter("query", "after", "`id` of the last frame seen", {
          pattern: "^\\d+\\.\\d+\\.\\d+$",
        }),
      ],
      responses: { "101": { description: "The connection is a WebSocket now" }, ...refusals },
      "x-websocket": true,
    },
  },
  "/api/heartbeat-runs/{runId}/transcript/ws": {
    get: {
      operationId: "getApiHeartbeatRunsRunIdTranscriptWs",
      tags: ["Runs"],
      summary: "What a run's agent does, from now on, over WebSocket",
      description:
        "First `{event: listening}`, then frames `{event: entries, data: {attempt, first, at, entries}}` and at last `{event: end, data}` with the " +
        "run's end; then the connection closes. Entries are told, not kept; `first` is the number of the first one in its attempt.",
      parameters: [parameter("path", "runId", "The run", uuid), token],
      responses: { "101": { description: "The connection is a WebSocket now" }, ...refusals },
      "x-websocket": true,
    },
  },
};
