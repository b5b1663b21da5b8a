// Owns which functions of the product a simulation has called, as V8 counts them. Knows no module by name.
import { Session } from "node:inspector/promises";
import type { ModuleCoverage } from "./seeds.js";

/** What is simulated: hosts and runners as they are built. */
const product = /\/(services\/(?:agent-actor|runner)\/dist\/.*\.js)$/;

/** Counts from now on; call before the modules are imported. */
export async function startCoverage(): Promise<Session> {
  const session = new Session();
  session.connect();
  await session.post("Profiler.enable");
  await session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: false });
  return session;
}

/** Every module of the product that was loaded, by its path. */
export async function coverageOf(session: Session): Promise<ModuleCoverage[]> {
  const { result } = await session.post("Profiler.takePreciseCoverage");
  await session.post("Profiler.disable");
  session.disconnect();
  const modules: ModuleCoverage[] = [];
  for (const { url, functions } of result) {
    const file = product.exec(url)?.[1];
    if (file === undefined) continue;
    // The first is the module itself.
    const own = functions.slice(1);
    const missed = own.filter(({ ranges }) => ranges[0]?.count === 0);
    modules.push({
      file,
      functions: own.length,
      called: own.length - missed.length,
      missed: missed.map(({ functionName }) => functionName || "(anonymous)"),
    });
  }
  return modules.sort((a, b) => (a.file < b.file ? -1 : 1));
}
