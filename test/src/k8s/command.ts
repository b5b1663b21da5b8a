// `npm run k8s:check`: renders each overlay, checks the points and prints what is wrong. `--write` also writes what was rendered, for
// machines without kubectl. The services themselves are started by the tests beside this (points 15, 16 and 30).
import { isDeepStrictEqual } from "node:util";
import { codeFacts } from "./facts.js";
import { points } from "./points.js";
import {
  hasKubectl,
  parseRendering,
  readRendered,
  renderWithKubectl,
  renderingNames,
  writeRendered,
  type Rendering,
  type RenderingName,
} from "./rendering.js";

const args = process.argv.slice(2);
const unknown = args.find((arg) => arg !== "--write");
if (unknown !== undefined) {
  process.stderr.write(`unknown argument ${unknown}; known: --write\n`);
  process.exit(2);
}
const write = args.includes("--write");
const kubectl = hasKubectl();
let failed = 0;
let passed = 0;

const tell = (line: string): void => void process.stdout.write(`${line}\n`);

function load(name: RenderingName): Rendering {
  if (!kubectl) return parseRendering(name, readRendered(name), []);
  const { text, warnings } = renderWithKubectl(name);
  if (write) writeRendered(name, text);
  const rendering = parseRendering(name, text, warnings);
  const committed = parseRendering(name, readRendered(name), []);
  if (isDeepStrictEqual(rendering.objects, committed.objects)) return rendering;
  const why = "deploy/k8s/rendered is not what kubectl renders now: npm run k8s:check -- --write";
  return { ...rendering, warnings: [...warnings, why] };
}

if (write && !kubectl) {
  process.stderr.write("kubectl is not installed: nothing can be rendered\n");
  process.exit(2);
}
tell(
  kubectl
    ? "rendered by kubectl"
    : "kubectl is not installed: what was rendered and committed is checked",
);
const facts = codeFacts();
for (const name of renderingNames) {
  const rendering = load(name);
  tell(`${name}: ${rendering.objects.length} objects`);
  for (const point of points) {
    const faults = point.check(rendering, facts);
    if (faults.length === 0) passed += 1;
    else failed += 1;
    for (const fault of faults) tell(`  ${point.number} ${point.title}\n     ${fault}`);
  }
}
tell(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
