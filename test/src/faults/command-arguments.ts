// Owns what `npm run faults` understands on its command line. Pure.
import { parseArgs } from "node:util";
import { forms, type Form } from "./command-record.js";
import { matrix } from "./matrix.js";

export interface Wanted {
  /** Passes in a row that each row needs. */
  readonly times: number;
  /** Rows, in the matrix's order. */
  readonly ids: readonly string[];
  readonly form: Form;
  /** Forget what is recorded of these rows. */
  readonly fresh: boolean;
  /** Only rows whose code has changed since their last result. */
  readonly changed: boolean;
}

export const usage = `npm run faults -- [--times N] [--only F5,F6] [--form short|full] [--changed] [--fresh]

Runs each row of the fault matrix until it has passed N times in a row (default 1) at the present code; results are kept
in test/results/faults.json, so that it goes on where it was stopped. A row that fails is left for the next one.
  --only     these rows
  --form     short (default): as in npm test; full: with the repetitions and lengths of the matrix
  --changed  only rows whose code has changed since their last result
  --fresh    forget the results of these rows first`;

/** @throws Error naming the option that is wrong. */
export function readArguments(args: readonly string[]): Wanted {
  const { values } = parseArgs({
    args: [...args],
    options: {
      times: { type: "string", default: "1" },
      only: { type: "string" },
      form: { type: "string", default: "short" },
      fresh: { type: "boolean", default: false },
      changed: { type: "boolean", default: false },
    },
  });
  // 20: as many results as are kept.
  if (!/^(1?\d|20)$/.test(values.times) || Number(values.times) === 0)
    throw new Error("--times: a number from 1 to 20");
  const form = forms.find((one) => one === values.form);
  if (!form) throw new Error(`--form: ${forms.join(" or ")}`);
  const all = matrix.map(({ id }) => id);
  const only = values.only?.split(",").map((id) => id.trim().toUpperCase());
  const unknown = only?.find((id) => !all.includes(id));
  if (unknown !== undefined) throw new Error(`--only: the matrix has no row ${unknown}`);
  const ids = only ? all.filter((id) => only.includes(id)) : all;
  return { times: Number(values.times), ids, form, fresh: values.fresh, changed: values.changed };
}
