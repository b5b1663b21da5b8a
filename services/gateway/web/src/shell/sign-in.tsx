/** Where everybody has to log in: asks for a board token once and has a session made of it. The token is kept nowhere in the page. */
import { useState } from "preact/hooks";
import { reasonOf, request, setCsrfToken } from "../api/client.js";

export function SignIn({ onDone }: { onDone: () => void }) {
  const [token, setToken] = useState("");
  const [failure, setFailure] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const signIn = async (): Promise<void> => {
    setBusy(true);
    setFailure(null);
    try {
      const { csrfToken } = await request<{ csrfToken: string }>("POST", "/session", {
        token: token.trim(),
      });
      setCsrfToken(csrfToken);
      onDone();
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
