// Owns reading apt's own configuration: which Debian archive does this machine trust, and with which keys?
// Never names a host itself, so a machine behind a mirror keeps using that mirror. Reads files, runs nothing.
import fs from "node:fs";
import path from "node:path";

const USABLE_URI = /^(https?|file|copy|mirror(\+\w+)?):/;
const DEFAULT_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

/**
 * The archive of this Debian's own codename as `{ uri, suite, signedBy }`, from one-line (`.list`) and deb822 (`.sources`)
 * files; another Debian suite of the machine if the codename is missing; undefined when this is no Debian.
 */
export function debianSource(etc = "/etc/apt", osRelease = "/etc/os-release") {
  if (!fs.existsSync(osRelease)) return undefined;
  const release = parseAssignments(fs.readFileSync(osRelease, "utf8"));
  if (release.ID !== "debian") return undefined;
  const codename = release.VERSION_CODENAME;
  const suites = new Set([codename, "stable", "testing", "unstable", "sid", "oldstable"]);

  const entries = sourceFiles(etc)
    .flatMap((file) => {
      const text = fs.readFileSync(file, "utf8");
      return file.endsWith(".list") ? parseOneLine(text) : parseDeb822(text);
    })
    .filter((entry) => entry.components.includes("main"))
    .flatMap(({ uris, suites: of, signedBy }) =>
      uris.flatMap((uri) => of.map((suite) => ({ uri, suite, signedBy }))),
    )
    .filter(({ uri, suite }) => suites.has(suite) && USABLE_URI.test(uri));

  const chosen = entries.find((entry) => entry.suite === codename) ?? entries[0];
  if (!chosen) return undefined;
  const keyring = fs.existsSync(DEFAULT_KEYRING) ? DEFAULT_KEYRING : undefined;
  return { ...chosen, signedBy: chosen.signedBy ?? keyring };
}

function sourceFiles(etc) {
  const parts = path.join(etc, "sources.list.d");
  const names = fs.existsSync(parts) ? fs.readdirSync(parts).toSorted() : [];
  return [path.join(etc, "sources.list"), ...names.map((name) => path.join(parts, name))].filter(
    (file) => /\.(list|sources)$/.test(file) && fs.existsSync(file),
  );
}

function parseAssignments(text) {
  const pairs = text.split("\n").map((line) => /^(\w+)="?(.*?)"?$/.exec(line));
  return Object.fromEntries(pairs.filter(Boolean).map((match) => [match[1], match[2]]));
}

function parseOneLine(text) {
  const entries = [];
  for (const line of text.split("\n")) {
    const match = /^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s+([^#]*)/.exec(line);
    if (!match) continue;
    const [, options, uri, suite, components] = match;
    entries.push({
      uris: [uri],
      suites: [suite],
      components: words(components),
      signedBy: /signed-by=([^\s,]+)/.exec(options ?? "")?.[1],
    });
  }
  return entries;
}

function parseDeb822(text) {
  return text
    .split(/\n\s*\n/)
    .map(parseStanza)
    .filter((fields) => {
      const disabled = /^no$/i.test(fields.enabled ?? "");
      return fields.uris && !disabled && words(fields.types ?? "deb").includes("deb");
    })
    .map((fields) => ({
      uris: words(fields.uris),
      suites: words(fields.suites),
      components: words(fields.components),
      // An inline key block cannot be handed to apt on one line; then the distribution's own keyring is used.
      signedBy: fields["signed-by"]?.startsWith("/")
        ? fields["signed-by"].split(/[\s,]+/)[0]
        : undefined,
    }));
}

function parseStanza(stanza) {
  const fields = {};
  let current;
  for (const line of stanza.split("\n")) {
    if (line.startsWith("#")) continue;
    const match = /^([\w-]+):\s*(.*)$/.exec(line);
    if (match) {
      current = match[1].toLowerCase();
      fields[current] = match[2].trim();
    } else if (current && /^\s/.test(line)) {
      fields[current] += ` ${line.trim()}`;
    }
  }
  return fields;
}

function words(text) {
  return (text ?? "").trim().split(/\s+/).filter(Boolean);
}
