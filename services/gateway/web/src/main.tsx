/** Starts the console. */
import { QueryClient, QueryClientProvider } from "@tanstack/preact-query";
import { render } from "preact";
import { ApiError } from "./api/client.js";
import { askFirst } from "./api/queries.js";
import { App } from "./app.js";
import { listenForKeys } from "./shell/keyboard.js";
import { Router } from "./shell/router.js";
import { applyTheme } from "./shell/theme.js";
import { Toasts } from "./shell/toasts.js";
import "./styles/base.css";
import "./styles/layout.css";
import "./styles/parts.css";
import "./styles/pages.css";
import "./styles/log.css";

/** A gateway that restarts is back within seconds. */
const triesMax = 5;
/** Live events say when an answer is old; this bounds what none of them tells. */
const freshMs = 30_000;

const client = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: freshMs,
      // Only what may pass is asked again.
      retry: (failures, error) =>
        failures < triesMax &&
        error instanceof ApiError &&
        (error.status === 0 || error.status >= 429),
    },
  },
});

askFirst(client, /^\/([0-9a-f-]{36})(?:\/|$)/.exec(location.pathname)?.[1]);
applyTheme();
listenForKeys();
const place = document.getElementById("app");
if (place)
  render(
    <QueryClientProvider client={client}>
      <Router>
        <Toasts>
          <App />
        </Toasts>
      </Router>
    </QueryClientProvider>,
    place,
  );
