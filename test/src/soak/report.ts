// Owns how a soak is told: its figures and its verdict, against the bars. Pure.
import type { SoakSummary } from "./soak.js";

/** Bars of a long soak: throughput between faults beside the undisturbed one, and growth of a process. */
const ratioMin = 0.9;
/** Of what is live. The noise of such a slope over some minutes is about a third of it. What is resident is only told: V8 and the servers take what they find. */
const growthMaxMbPerMinute = 0.5;
/** In a whole life, MB or descriptors: caches fill and pools of connections breathe by as much, and what leaks does not stop there. */
const growthOfLifeMin = 8;
/** Ten descriptors an hour: none. */
const growthMaxDescriptorsPerMinute = 10 / 60;

/** The bars that were missed; a short soak has nothing to compare. */
export function missedBars({ ratio, trends }: SoakSummary): string[] {
  const limits: Readonly<Record<string, number>> = {
    "MB live": growthMaxMbPerMinute,
    descriptors: growthMaxDescriptorsPerMinute,
  };
  return [
    ...(ratio < ratioMin
      ? [
          `throughput between faults is ${ratio.toFixed(2)} of the undisturbed one, ${ratioMin} wanted`,
        ]
      : []),
    ...trends
      .filter(
        ({ judged, unit, slope, minutes }) =>
          judged &&
          slope > (limits[unit] ?? Number.POSITIVE_INFINITY) &&
          slope * minutes > growthOfLifeMin,
      )
      .map(
        ({ what, unit, slope, minutes }) =>
          `${what} grows by ${slope.toFixed(2)} ${unit} a minute over ${minutes.toFixed(0)} min`,
      ),
  ];
}

export function summaryLines(summary: SoakSummary): string[] {
  const { seed, seconds, faults, operations, wakes, runs, judgement, recoveries, trends } = summary;
  const list = (counts: Record<string, number>): string =>
    Object.entries(counts)
      .map(([name, n]) => `${n} ${name}`)
      .join(", ") || "none";
  const sum = Object.values(faults).reduce((total, n) => total + n, 0);
  return [
    `seed ${seed}, ${seconds} s in all`,
    `${sum} faults: ${list(faults)}`,
    `operations: ${Object.entries(operations)
      .map(([op, phases]) => `${op} (${list(phases)})`)
      .join(", ")}`,
    `${wakes} wakes decided; runs: ${list(runs)}; left out ${summary.leftOut}`,
    `runs a second: ${summary.undisturbed.rate.toFixed(2)} undisturbed, ${summary.between.rate.toFixed(2)} between faults (${summary.ratio.toFixed(2)})`,
    `quiet ${judgement.quietAfterMs ?? "never"} ms after the last fault; ${judgement.lostByDesign} wakes lost with JetStream's store alone; ${judgement.askedFor} issues had dead holders, who gave way`,
    "",
    "time to go on after a fault, ms (p50, max, max when alone):",
    ...recoveries.map(
      ({ kind, times, p50Ms, maxMs, maxAloneMs }) =>
        `  ${kind} x${times}: ${Math.round(p50Ms)}, ${Math.round(maxMs)}, ${maxAloneMs === null ? "-" : Math.round(maxAloneMs)}`,
    ),
    "",
    "trends a minute, of what lived long enough:",
    ...trends
      .filter(({ judged }) => judged)
      .map(
        ({ what, unit, slope, first, last, minutes }) =>
          `  ${what}: ${slope.toFixed(3)} ${unit} (${first.toFixed(0)} to ${last.toFixed(0)} in ${minutes.toFixed(0)} min)`,
      ),
    ...summary.ownEnds.map(
      ({ service, at, lastLines }) =>
        `\n${service} ended by itself at ${at}; the end of its log:\n${lastLines}`,
    ),
  ];
}
