/** Values of a configuration, read leniently: what is malformed counts as absent. */
import type { Json } from "./state.js";

export const asMap = (value: unknown): Json =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : {};
export const asBoolean = (value: unknown, otherwise: boolean): boolean =>
  typeof value === "boolean" ? value : otherwise;
export const asNumber = (value: unknown, otherwise: number): number =>
  typeof value === "number" && Number.isFinite(value) ? value : otherwise;
/** A number within bounds, both included. */
export const within = (value: number, min: number, max: number): number =>
  Math.min(max, Math.max(min, value));
/** A whole number within bounds. */
export const wholeWithin = (value: unknown, otherwise: number, min: number, max: number): number =>
  within(Math.floor(asNumber(value, otherwise)), min, max);
