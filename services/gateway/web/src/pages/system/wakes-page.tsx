/** All wakes of a company, the newest first. */
import type { PageProps } from "../../app.js";
import { useAgents, useWakes } from "../../api/queries.js";
import { Empty, Loaded } from "../../view/parts.js";
import { WakeList } from "./wake-list.js";

export function WakesPage({ company }: PageProps) {
  const wakes = useWakes(company.id);
  const agents = useAgents(company.id);
  const names = new Map(agents.data?.map(({ id, name }) => [id, name]));
  return (
    <>
      <h1>Wakes</h1>
      <Loaded of={wakes}>
        {({ items }) =>
          items.length === 0 ? (
            <Empty title="Nobody was woken yet" />
          ) : (
            <WakeList companyId={company.id} wakes={items} names={names} />
          )
        }
      </Loaded>
    </>
  );
}
