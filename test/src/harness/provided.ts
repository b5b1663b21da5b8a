// Owns what the global setup hands to every test file, with its types.
import { inject } from "vitest";

declare module "vitest" {
  export interface ProvidedContext {
    postgresUrl: string;
    natsServerBin: string;
  }
}

/** Superuser's URL of the shared Postgres, database `reveille`; tests make databases of their own on it. */
export function sharedPostgresUrl(): string {
  return inject("postgresUrl");
}

/** Path of the nats-server program. */
export function natsServerBin(): string {
  return inject("natsServerBin");
}
