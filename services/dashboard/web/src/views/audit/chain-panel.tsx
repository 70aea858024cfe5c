// What was checked of the audit record here, and the command that checks the rest.

import { createMemo, For, type JSX, Show } from "solid-js";
import type { AuditRecord } from "@contracts/remediation/v1/remediation_pb";
import { counted } from "../../lib/format";
import { Command } from "../../ui/command";
import { checkChain } from "./chain";

interface ChainPanelProps {
  /** Newest first, from the newest on. */
  records: readonly AuditRecord[];
  /** The action whose entries these are; empty for all. */
  action: string;
  /** Whether there is none before them. */
  isAll: boolean;
}

export function ChainPanel(props: ChainPanelProps): JSX.Element {
  const checked = createMemo(() => checkChain(props.records.toReversed(), props.action === "", props.action === "" && props.isAll));
  const newest = () => props.records[0];
  const words = () => {
    const { records, joined, apart, isFromStart } = checked();
    const said = [`Looked at: ${counted(records, "entry", "entries")}, of which ${joined} have the hash of the one before`];
    if (isFromStart) said.push("the first of all begins the record");
    if (apart > 0) said.push(`${apart} do not stand beside the one before, since entries about other things are not shown`);
    const rest = props.isAll ? "" : " Entries before them were not loaded, and not looked at.";
    return `${said.join("; ")}.${rest}`;
  };
  return (
    <div class="stack" data-chain={checked().broken.length ? "broken" : "joined"}>
      <p>
        <Show when={checked().broken.length} fallback={<span class="badge well">follows</span>}>
          <span class="badge troubled">does not follow</span>
        </Show>{" "}
        {words()}
      </p>
      <Show when={checked().broken.length}>
        <ul class="troubled" role="alert">
          <For each={checked().broken}>{(line) => <li>{line}</li>}</For>
        </ul>
      </Show>
      <p class="muted">
        Hashes were compared and not computed anew: that what an entry says is what its hash was made of is checked by the
        command.
        <Show when={props.action === "" ? newest() : undefined}>
          {(newest) => (
            <>
              {" "}
              Note the hash of the newest entry, <code class="long">{newest().hash}</code>, elsewhere: with{" "}
              <code>--noted HASH</code> the command then shows that the end was not cut off.
            </>
          )}
        </Show>
      </p>
      <Command line="llm-sre audit verify" />
    </div>
  );
}
