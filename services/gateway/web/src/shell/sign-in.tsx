/** Where everybody has to log in: asks for a board token once and has a session made of it. The token is kept nowhere in the page. */
import { useState } from "preact/hooks";
import { useTell } from "./toasts.js";
import { useQueryClient } from "@tanstack/preact-query";
import { reasonOf, request, setCsrfToken } from "../api/client.js";
import { useSession } from "../api/queries.js";
import type { BrowserSession } from "../api/types.js";

export function SignIn() {
  const client = useQueryClient();
  const [token, setToken] = useState("");
  const [failure, setFailure] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const signIn = async (): Promise<void> => {
    setBusy(true);
    setFailure(null);
    try {
      const session = await request<BrowserSession>("POST", "/session", { token: token.trim() });
      setCsrfToken(session.csrfToken);
      client.setQueryData(["session"], session);
    } catch (error) {
      setFailure(reasonOf(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <main class="sign-in">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void signIn();
        }}
      >
        <h1>Reveille</h1>
        <label>
          Board token
          <input
            type="password"
            autocomplete="current-password"
            required
            value={token}
            onInput={({ currentTarget }) => setToken(currentTarget.value)}
          />
        </label>
        <p class="hint">
          The first one is made beside the database: <code>reveille board-token create</code>
        </p>
        {failure === null ? null : (
          <p class="bad-text" role="alert">
            {failure}
          </p>
        )}
        <button type="submit" class="primary" disabled={busy}>
          {busy ? "Signing in …" : "Sign in"}
        </button>
      </form>
    </main>
  );
}

/** Leaves the session; shown where there are sessions. */
export function SignOut() {
  const client = useQueryClient();
  const session = useSession().data;
  const tell = useTell();
  if (!session || session.csrfToken === null) return null;
  const signOut = async (): Promise<void> => {
    try {
      await request("DELETE", "/session");
      setCsrfToken(null);
      // What was shown to this person stays with nobody else.
      client.clear();
      location.assign("/");
    } catch (error) {
      tell.failed("You are still signed in", error);
    }
  };
  return (
    <button type="button" class="quiet" onClick={() => void signOut()}>
      Sign out
    </button>
  );
}
