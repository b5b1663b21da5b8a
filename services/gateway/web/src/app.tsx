/** From the path to a page: the company first, then what of it. Pages beyond the first are loaded when they are opened. */
import type { ComponentType } from "preact";
import { lazy, Suspense } from "preact/compat";
import { useEffect } from "preact/hooks";
import { useQueryClient } from "@tanstack/preact-query";
import { ApiError } from "./api/client.js";
import { useCompanies, useSession } from "./api/queries.js";
import type { Company } from "./api/types.js";
import { LiveProvider } from "./live/live.js";
import { FleetPage } from "./pages/fleet/fleet-page.js";
import { Layout } from "./shell/layout.js";
import { navigate, usePlace } from "./shell/router.js";
import { Empty, Loaded } from "./view/parts.js";
import { SignIn } from "./shell/sign-in.js";

export interface PageProps {
  company: Company;
  /** What the path names behind the page. */
  id: string;
}
type Page = ComponentType<PageProps>;

const pages: Readonly<Record<string, Page>> = {
  "": FleetPage,
  agents: lazy(() => import("./pages/agent/agent-page.js").then((module) => module.AgentPage)),
  runs: lazy(() => import("./pages/run/runs-page.js").then((module) => module.RunsPage)),
  issues: lazy(() => import("./pages/issues/issues-page.js").then((module) => module.IssuesPage)),
  wakes: lazy(() => import("./pages/system/wakes-page.js").then((module) => module.WakesPage)),
  costs: lazy(() => import("./pages/system/costs-page.js").then((module) => module.CostsPage)),
  "dead-letters": lazy(() =>
    import("./pages/system/dead-letters-page.js").then((module) => module.DeadLettersPage),
  ),
  runners: lazy(() =>
    import("./pages/system/runners-page.js").then((module) => module.RunnersPage),
  ),
  partitions: lazy(() =>
    import("./pages/system/partitions-page.js").then((module) => module.PartitionsPage),
  ),
};

export function App() {
  const session = useSession();
  return <Loaded of={session}>{({ signedIn }) => (signedIn ? <SignedIn /> : <SignIn />)}</Loaded>;
}

function SignedIn() {
  const companies = useCompanies();
  const client = useQueryClient();
  const ended = companies.error instanceof ApiError && companies.error.status === 401;
  useEffect(() => {
    // Its token was revoked or has expired: the session says so, and the page asks for another.
    if (ended) void client.invalidateQueries({ queryKey: ["session"] });
  }, [ended, client]);
  return <Loaded of={companies}>{(found) => <Shown companies={found} />}</Loaded>;
}

function Shown({ companies }: { companies: readonly Company[] }) {
  const [companyId] = usePlace().segments;
  const company = companies.find(({ id }) => id === companyId);
  const first = companies.find(({ status }) => status === "active") ?? companies[0];
  useEffect(() => {
    if (companyId === undefined && first) navigate(`/${first.id}`, { replace: true });
  }, [companyId, first]);
  if (companies.length === 0)
    return (
      <Empty title="There is no company yet">Make one over the API: POST /api/companies.</Empty>
    );
  if (!company)
    return companyId === undefined ? null : (
      <Empty title="There is no such company, or not for you">
        <a href="/">Go to one that there is</a>
      </Empty>
    );
  return (
    <LiveProvider key={company.id} companyId={company.id}>
      <Layout company={company} companies={companies}>
        <CurrentPage company={company} />
      </Layout>
    </LiveProvider>
  );
}

function CurrentPage({ company }: { company: Company }) {
  const [, name = "", id = ""] = usePlace().segments;
  const Page = pages[name];
  if (!Page) return <Empty title="There is no such page" />;
  return (
    <Suspense fallback={<div class="loading">Loading …</div>}>
      <Page key={`${name}/${id}`} company={company} id={id} />
    </Suspense>
  );
}
