/** Which keys there are. */
import { Dialog } from "./dialog.js";

const keys: readonly (readonly [string, string])[] = [
  ["/", "Search on this page"],
  ["j  k", "Next, previous line"],
  ["Enter", "Open the chosen line"],
  ["w", "Wake the chosen agent, or the agent of this page"],
  ["f", "Follow the end of a log, or stop following"],
  ["n  N", "Next, previous hit in a log"],
  ["g", "Go to the fleet"],
  ["i", "Go to the issues"],
  ["?", "This list"],
  ["Esc", "Leave a field, close a dialog"],
];

export function Help({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title="Keys" onClose={onClose}>
      <dl class="keys">
        {keys.map(([key, does]) => (
          <div key={key}>
            <dt>
              {key.split("  ").map((each) => (
                <kbd key={each}>{each}</kbd>
              ))}
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
