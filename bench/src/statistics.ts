/** Figures from samples. Pure; knows nothing of what was measured. */

export interface Summary {
  count: number;
  min: number;
  p50: number;
  p99: number;
  max: number;
  mean: number;
}

/**
 * The nearest-rank percentile: the smallest sample that at least the share `q` (0 < q <= 1) of all samples
 * does not exceed. Always a sample that occurred, never an interpolation.
 * @throws RangeError without samples, or with a `q` out of range.
 */
export function percentile(samples: readonly number[], q: number): number {
  if (!(q > 0 && q <= 1)) throw new RangeError(`percentile ${q} is not in (0, 1]`);
  const sorted = sortedOf(samples);
  return sorted[Math.ceil(sorted.length * q) - 1]!;
}

/** Count, extremes, middle and tail. @throws RangeError without samples, or with one that is not finite. */
export function summarise(samples: readonly number[]): Summary {
  const sorted = sortedOf(samples);
  return {
    count: sorted.length,
    min: sorted[0]!,
    p50: percentile(sorted, 0.5),
    p99: percentile(sorted, 0.99),
    max: sorted.at(-1)!,
    mean: sorted.reduce((sum, one) => sum + one, 0) / sorted.length,
  };
}

/** A figure that people read: three significant digits, whole numbers from 100 up. */
export function readable(value: number): string {
  if (!Number.isFinite(value)) return "-";
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString("en-US");
  return String(Number(value.toPrecision(3)));
}

function sortedOf(samples: readonly number[]): number[] {
  if (samples.length === 0) throw new RangeError("no samples");
  if (!samples.every(Number.isFinite)) throw new RangeError("a sample is not a finite number");
  return samples.toSorted((a, b) => a - b);
}
