/** Hides what looks like a secret in JSON that is shown to more people than may know it. Pure. */

/** Stands where a secret stood; refused as a value, so that a copy of what was shown overwrites nothing. */
export const redactedText = "***REDACTED***";

const sensitiveName =
  /(api[-_]?key|access[-_]?token|auth(?!or(?!i))|bearer|secret|passwd|password|credential|jwt|private[-_]?key|cookie|connection[-_]?string)/i;
/** Three or four dotted parts of base64url: a JWT. */
const looksLikeJwt = /^[\w-]+\.[\w-]+\.[\w-]+(\.[\w-]+)?$/;

/** Does a name of a variable or field say that its value is secret? */
export const isSensitiveName = (name: string): boolean => sensitiveName.test(name);

type Json = Record<string, unknown>;
const isMap = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);
/** A reference to a stored secret tells nothing of its value. */
const isReference = (value: unknown): boolean => isMap(value) && value["type"] === "secret_ref";
const isPlainBinding = (value: unknown): boolean =>
  isMap(value) && value["type"] === "plain" && "value" in value;

/** The same map with the values of sensitive names, and JWTs under any name, replaced. */
export function redacted(map: unknown): Json {
  if (!isMap(map)) return {};
  return Object.fromEntries(Object.entries(map).map(([key, value]) => [key, shown(key, value)]));
}

function shown(key: string, value: unknown): unknown {
  if (isReference(value)) return value;
  if (isSensitiveName(key))
    return isPlainBinding(value) ? { type: "plain", value: redactedText } : redactedText;
  if (typeof value === "string") return looksLikeJwt.test(value) ? redactedText : value;
  if (Array.isArray(value)) return value.map((each) => shown("", each));
  return isMap(value) ? redacted(value) : value;
}
