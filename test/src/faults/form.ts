// Owns the two forms in which rows of the matrix run. The short one is a part of every test run, all rows together in less than six
// minutes; the full one has the repetitions and the lengths that the matrix asks for, and is run by `npm run faults -- --form full`.
import { formVariable } from "./command-record.js";

/** Whether the full form is asked for. */
export const full = process.env[formVariable] === "full";

/** One value for the short form, another for the full one. */
export function inForm<T>(short: T, long: T): T {
  return full ? long : short;
}
