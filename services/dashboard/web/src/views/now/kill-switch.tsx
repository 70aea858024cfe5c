// Stops all repairs at once, and lets them go on.

import { createSignal, type JSX, Show } from "solid-js";
import { inWords, remediation } from "../../client/api";
import { live, takeKillSwitch } from "../../client/live";
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
  // Each button does one thing, whatever somebody else does meanwhile: to engage twice is no harm, and a release is for the
  // switch that was seen.
  const move = async (engaged: boolean, etag: string) => {
    setBusy(true);
    setError(undefined);
    try {
      takeKillSwitch(await remediation.setKillSwitch({ engaged, note: note(), etag: engaged ? "" : etag }));
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
          <form class="stack" onSubmit={(event) => event.preventDefault()}>
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
              <button type="button" class="danger" disabled={isBusy() || kill().engaged} onClick={() => void move(true, "")}>
                Stop all repairs
              </button>
              <button type="button" disabled={isBusy() || !kill().engaged} onClick={() => void move(false, kill().etag)}>
                Let repairs go on
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
