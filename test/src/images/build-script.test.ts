// deploy/images/build.sh builds every image of the Dockerfile, by version and commit, with either engine. Engines are only named here.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { root, targets } from "./subjects.js";

const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
  version: string;
};

function build(engine: string, ...args: string[]): { status: number | null; lines: string[] } {
  const script = join(root, "deploy/images/build.sh");
  const { status, stdout, stderr } = spawnSync("/bin/sh", [script, "--dry-run", ...args], {
    encoding: "utf8",
    env: { ...process.env, ENGINE: engine },
  });
  return { status, lines: `${stdout}${stderr}`.trim().split("\n") };
}

test.each(["docker", "podman"])("%s builds the four images", (engine) => {
  const { status, lines } = build(engine);
  expect(status).toBe(0);
  expect(lines.length).toBe(targets.length);
  for (const target of targets) {
    const line = lines.find((one) => one.includes(`--target ${target} `));
    expect(line).toMatch(/REVISION=[0-9a-f]{12}/);
    expect(line).toContain(`VERSION=${version} `);
    expect(line).toContain(`--tag reveille-${target}:${version} `);
    expect(line).toMatch(/SOURCE_DATE_EPOCH=\d{10}|--timestamp \d{10}/);
  }
});

test("what is pushed goes to the registry that was named, on the base that was named", () => {
  const base = `node:20.20.2-bookworm-slim@sha256:${"0".repeat(64)}`;
  const { lines } = build(
    "podman",
    "--push",
    "--registry",
    "registry.example/team",
    "--base",
    base,
    "cli",
  );
  expect(lines.length).toBe(3);
  expect(lines[0]).toContain(`NODE_IMAGE=${base}`);
  expect(lines[1]).toBe(`podman push registry.example/team/reveille-cli:${version}`);
});

test.each([
  [["--push"], "--push needs --registry"],
  [["worker"], "unknown argument worker"],
  [["--base"], "--base needs a value"],
])("%s is refused", (args, message) => {
  const { status, lines } = build("docker", ...args);
  expect(status).toBe(2);
  expect(lines[0]).toContain(message);
});
