/** What an actor says to whoever runs a run of its agent: read, or told apart from what is none. */
import { decodeTrusted } from "@reveille/shared/protocol/codec";
import type { Control } from "@reveille/shared/protocol/execution";

/** Null: somebody published something else by hand. */
export function readControl(data: Uint8Array): Control | null {
  try {
    const control = decodeTrusted(data) as Partial<Control> | null;
    const known = control?.kind === "cancel" || control?.kind === "finish";
    return known && typeof control.claimId === "string" ? (control as Control) : null;
  } catch {
    return null;
  }
}
