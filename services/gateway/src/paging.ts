/** Numbers in queries, with Paperclip's tolerance: out of range is moved into it, nonsense has a meaning. */
import { z } from "zod";

interface ClampOptions {
  absent: number;
  /** For what is no number. */
  nonsense: number;
  /** For 0, where it does not mean the minimum. */
  zero?: number;
  min: number;
  max: number;
}

/** A query parameter that is never wrong. */
export const clamped = ({ absent, nonsense, zero, min, max }: ClampOptions) =>
  z
    .union([z.string(), z.array(z.string())])
    .optional()
    .transform((text) => {
      if (text === undefined) return absent;
      const value = Math.trunc(Number(Array.isArray(text) ? text[0] : text));
      if (!Number.isFinite(value)) return nonsense;
      if (value === 0 && zero !== undefined) return zero;
      return Math.min(max, Math.max(min, value));
    })
    .meta({
      type: "integer",
      anyOf: undefined,
      description: `${min} to ${max}, ${absent} when left out; beyond it the nearest of these, ${nonsense} for what is no number`,
    });
