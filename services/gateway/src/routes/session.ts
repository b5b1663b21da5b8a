/** Sessions of browsers: begun with a board token, ended by leaving. What the console needs to know before anything else. */
import { z } from "zod";
import { requireBoard } from "../auth.js";
import { deploymentModes } from "../config.js";
import type { Context } from "../context.js";
import { HttpError } from "../errors.js";
import { ownRoute } from "../own-route.js";
import type { AnyRoute } from "../route.js";
import { csrfTokenOf } from "../session-cookie.js";

const sessionSchema = z.strictObject({
  mode: z.enum(deploymentModes),
  signedIn: z.boolean().describe("Whether requests without another credential are answered"),
  csrfToken: z
    .string()
    .nullable()
    .describe(
      "What changes something sends in `X-CSRF-Token`; null: without a session nothing has to",
    ),
});

export function sessionRoutes({ authenticate, mode }: Context): AnyRoute[] {
  return [
    ownRoute({
      method: "GET",
      path: "/api/session",
      summary: "Whether the caller's browser has a session",
      open: true,
      responses: { 200: sessionSchema },
      handle: async ({ session }) => {
        if (mode === "local_trusted") return { mode, signedIn: true, csrfToken: null };
        const { token, address } = session;
        const signedIn = token !== undefined && (await isGood(authenticate({ token, address })));
        return { mode, signedIn, csrfToken: signedIn ? csrfTokenOf(token) : null };
      },
    }),
    ownRoute({
      method: "POST",
      path: "/api/session",
      summary: "Begins a session with a board token, as a cookie",
      open: true,
      body: z.strictObject({ token: z.string().min(1).max(512) }),
      responses: { 200: sessionSchema },
      handle: async ({ body: { token }, session }) => {
        requireBoard(await authenticate({ token, address: session.address }));
        session.set(token);
        return { mode, signedIn: true, csrfToken: csrfTokenOf(token) };
      },
    }),
    ownRoute({
      method: "DELETE",
      path: "/api/session",
      summary: "Ends the session of this browser; the token stays good",
      responses: { 200: z.strictObject({ ok: z.literal(true) }) },
      handle: async ({ session }) => {
        session.set(null);
        return { ok: true };
      },
    }),
  ];
}

/** A session whose token is none any more is no session. @throws HttpError other than 401. */
async function isGood(asked: Promise<unknown>): Promise<boolean> {
  try {
    await asked;
    return true;
  } catch (error) {
    if (error instanceof HttpError && error.status === 401) return false;
    throw error;
  }
}
