/**
 * Key pairs of NATS (nkeys: Ed25519, written as text). A seed proves who somebody is and stays with them; the public key is what a
 * server knows. Keeps nothing.
 */
import { createAccount, createOperator, createUser, fromSeed } from "@nats-io/nkeys";
import type { KeyPair } from "@nats-io/nkeys";

/** What a key stands for; its text says so (`SO`, `SA`, `SU`). */
export type KeyKind = "operator" | "account" | "user";
const makers: Record<KeyKind, () => KeyPair> = {
  operator: createOperator,
  account: createAccount,
  user: createUser,
};

/** A new key's seed. */
export const newSeed = (kind: KeyKind): string =>
  new TextDecoder().decode(makers[kind]().getSeed());

/** @throws Error when the text is no seed. */
export const keyPairOf = (seed: string): KeyPair => fromSeed(new TextEncoder().encode(seed));

/** @throws Error when the text is no seed. */
export const publicKeyOf = (seed: string): string => keyPairOf(seed).getPublicKey();
