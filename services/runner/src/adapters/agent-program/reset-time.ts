/**
 * When an allowance comes back, read from the sentence that a program prints: "resets 9:48am (UTC)",
 * "try again at 9:38 AM", "try again in 2 hours 5 minutes". Pure: the time now is given.
 */

const minuteMs = 60_000;
const dayMinutes = 24 * 60;
/** A date in such a sentence has no year: it is within the next months. */
const pastMs = 30 * dayMinutes * minuteMs;

const clock = String.raw`(\d{1,2})(?::(\d{2}))?\s*([ap])\.?m\.?`;
const zone = String.raw`(?:\s*\(([A-Za-z_+\-/0-9]{1,40})\))?`;
const atClock = new RegExp(String.raw`(?:resets?|again)(?: at)?\s+${clock}${zone}`, "i");
const months = "jan feb mar apr may jun jul aug sep oct nov dec".split(" ");
const atDate = new RegExp(
  String.raw`(?:resets?|again)(?: at| on)?\s+(${months.join("|")})[a-z]*\.?\s+(\d{1,2})(?:st|nd|rd|th)?(?:,?\s+(\d{4}))?(?:,|\s+at)?\s+${clock}${zone}`,
  "i",
);
const span = /(\d{1,6}(?:\.\d{1,3})?)\s*(d|h|m|s)[a-z]*/gi;
const inSpan =
  /again in\s+((?:\d[\d.]*\s*(?:days?|hours?|minutes?|seconds?|[dhms])\b[\s,]*(?:and\s+)?)+)/i;
const spanMs: Readonly<Record<string, number>> = {
  d: dayMinutes * minuteMs,
  h: 60 * minuteMs,
  m: minuteMs,
  s: 1_000,
};

/**
 * Unix ms; null when the text names no time. `timeZone`: of times that name none (IANA), which is the
 * program's own; default: this process's.
 */
export function resetTime(text: string, nowMs: number, timeZone?: string): number | null {
  const said = text.slice(0, 2_000).replaceAll("\u202f", " ");
  const dated = atDate.exec(said);
  if (dated) return dateTime(dated, nowMs, timeZone);
  const timed = atClock.exec(said);
  if (timed) {
    const wanted = minutesOf(timed[1], timed[2], timed[3]);
    const now = localMinutes(nowMs, timed[4] ?? timeZone);
    if (wanted === null || now === null) return null;
    const left = (wanted - now + dayMinutes) % dayMinutes;
    return nowMs - (nowMs % minuteMs) + left * minuteMs;
  }
  const spanned = inSpan.exec(said);
  if (!spanned) return null;
  let ms = 0;
  for (const [, amount, unit] of spanned[1]!.matchAll(span))
    ms += Number(amount) * (spanMs[unit!.toLowerCase()] ?? 0);
  return Math.round(nowMs + ms);
}

function dateTime(found: RegExpExecArray, nowMs: number, timeZone?: string): number | null {
  const [, month, day, year, hour, minute, half, named] = found;
  const minutes = minutesOf(hour, minute, half);
  const offset = offsetMs(nowMs, named ?? timeZone);
  if (minutes === null || offset === null) return null;
  const monthIndex = months.indexOf(month!.toLowerCase());
  const thisYear = new Date(nowMs).getUTCFullYear();
  const at = (inYear: number): number =>
    Date.UTC(inYear, monthIndex, Number(day), 0, minutes) - offset;
  if (year !== undefined) return at(Number(year));
  return at(thisYear) < nowMs - pastMs ? at(thisYear + 1) : at(thisYear);
}

/** Minutes after midnight of a time on a clock of twelve hours. */
function minutesOf(hour: string | undefined, minute: string | undefined, half: string | undefined) {
  const [hours, minutes] = [Number(hour), Number(minute ?? 0)];
  if (hours < 1 || hours > 12 || minutes > 59) return null;
  return (hours % 12) * 60 + minutes + (half?.toLowerCase() === "p" ? 12 * 60 : 0);
}

function localMinutes(nowMs: number, timeZone: string | undefined): number | null {
  const offset = offsetMs(nowMs, timeZone);
  if (offset === null) return null;
  const minutes = Math.floor((nowMs + offset) / minuteMs) % dayMinutes;
  return (minutes + dayMinutes) % dayMinutes;
}

/** How far a zone's clocks are ahead of UTC now; null for a zone that nobody knows. */
function offsetMs(nowMs: number, timeZone: string | undefined): number | null {
  try {
    const format = new Intl.DateTimeFormat("en-US", {
      ...(timeZone ? { timeZone } : {}),
      hourCycle: "h23",
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
    });
    const part = new Map(
      format.formatToParts(nowMs).map(({ type, value }) => [type as string, Number(value)]),
    );
    const of = (type: string): number => part.get(type) ?? 0;
    const local = Date.UTC(of("year"), of("month") - 1, of("day"), of("hour"), of("minute"));
    return local - (nowMs - (nowMs % minuteMs));
  } catch {
    return null;
  }
}
