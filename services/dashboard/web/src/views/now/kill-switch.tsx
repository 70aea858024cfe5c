// Stops all repairs at once, and lets them go on.

import { createSignal, type JSX, Show } from "solid-js";
import { inWords, remediation } from "../../client/api";
import { live } from "../../client/live";
import { Part } from "@contracts/dashboard/v1/dashboard_service_pb";
import { Command } from "../../ui/command";
import { ForWhoDecides } from "../../ui/may";
import { Ago } from "../../ui/moment";
import { Panel } from "../../ui/panel";

export function KillSwitchPanel(): JSX.Element {
  const kill = () => live.holds()?.killSwitch;
  const [note, setNote] = createSignal("");
  const [error, setError] = createSignal<string>();
  const [isBusy, setBusy] = createSignal(false);
  const move = async (event: SubmitEvent) => {
    event.preventDefault();
    const seen = kill();
    if (!seen) return;
    setBusy(true);
    setError(undefined);
    try {
      // With the etag that was seen: who moved it meanwhile had a reason.
      await remediation.setKillSwitch({ engaged: !seen.engaged, note: note(), etag: seen.etag });
      setNote("");
    } catch (failure) {
      setError(inWords(failure));
    } finally {
      setBusy(false);
    }
  };
  return (
    <Panel title="Kill switch" isLoading={!kill()} error={live.problems().get(Part.HOLDS)}>
      <Show when={kill()}>
        {(kill) => (
          <form class="stack" onSubmit={(event) => void move(event)}>
            <p>
              <Show when={kill().engaged} fallback={<span class="badge well">released</span>}>
                <span class="badge troubled">engaged</span>
              </Show>{" "}
              {kill().engaged ? "Nothing is repaired, whatever policy and approvals say." : "Repairs go ahead as policy says."}
              <Show when={kill().updateTime}>
                <span class="muted">
                  {" "}
                  {kill().actor}, <Ago time={kill().updateTime} />
                  <Show when={kill().note}>: “{kill().note}”</Show>
                </span>
              </Show>
            </p>
            <ForWhoDecides>
            <label class="field">
              Why
              <input value={note()} maxlength="2000" onInput={(event) => setNote(event.currentTarget.value)} />
            </label>
            <div class="row">
              <button type="submit" class={kill().engaged ? "" : "danger"} disabled={isBusy()}>
                {kill().engaged ? "Let repairs go on" : "Stop all repairs"}
              </button>
              <Show when={error()}>
                <span class="troubled" role="alert">
                  {error()}
                </span>
              </Show>
            </div>
            </ForWhoDecides>
            <Command line={`llm-sre kill-switch ${kill().engaged ? "release" : "engage"}`} />
          </form>
        )}
      </Show>
    </Panel>
  );
}
