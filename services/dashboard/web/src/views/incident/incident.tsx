// One incident: what it is, why, what is done about it, and what a person can do.

import "../../styles/incident.css";
import { type Accessor, createEffect, createMemo, type JSX, Show } from "solid-js";
import type { Incident } from "@contracts/incident/v1/incident_pb";
import { route } from "../../lib/route";
import { ActionsPanel } from "./actions";
import { AdvicePanel } from "./advice";
import { DiagnosisPanel } from "./diagnosis";
import { Elsewhere } from "./elsewhere";
import { EvidencePanel } from "./evidence-panel";
import { Head } from "./head";
import { createModel, type Model } from "./model";
import { People } from "./people";
import { reveal } from "./reveal";
import { createShown } from "./shown";
import { Signals } from "./signals";
import { Timeline } from "./timeline";

export function IncidentView(): JSX.Element {
  const name = createMemo(() => route().path.slice(1));
  return (
    <Show when={name()} keyed>
      {(name) => <OneIncident model={createModel(name)} />}
    </Show>
  );
}

function OneIncident(props: { model: Model }): JSX.Element {
  const { model } = props;
  return (
    <Show when={model.incident.value()} fallback={<NoIncident model={model} />}>
      {(incident) => <Known model={model} incident={incident} />}
    </Show>
  );
}

function Known(props: { model: Model; incident: Accessor<Incident> }): JSX.Element {
  const { model } = props;
  const shown = createShown(model, () => props.incident());
  // What the address names is shown once all is there that can be.
  let named = location.hash.slice(1);
  createEffect(() => {
    if (!named || [model.actions, model.diagnoses, model.recordings].some((part) => part.isLoading())) return;
    reveal(decodeURIComponent(named));
    named = "";
  });
  return (
    <>
      <Head model={props.model} incident={props.incident()} />
      <div class="columns incident-view">
        <div class="stack">
          <ActionsPanel model={props.model} incident={props.incident()} shown={shown} />
          <DiagnosisPanel model={props.model} shown={shown} />
          <EvidencePanel model={props.model} shown={shown} />
          <Signals model={props.model} incident={props.incident()} shown={shown} />
        </div>
        <div class="stack">
          <Timeline model={props.model} incident={props.incident()} />
          <People model={props.model} incident={props.incident()} />
          <AdvicePanel model={props.model} shown={shown} />
          <Elsewhere incident={props.incident()} actions={props.model.actions.value()} />
        </div>
      </div>
    </>
  );
}

function NoIncident(props: { model: Model }): JSX.Element {
  const { model } = props;
  return (
    <Show when={model.isUnknown()} fallback={<Waiting model={model} />}>
      <section>
        <h1>There is no such incident</h1>
        <p>
          Nobody here knows <code>{model.name}</code>: the address is not an incident's, or it was kept no longer.{" "}
          <a href="/incidents">Look through the history.</a>
        </p>
      </section>
    </Show>
  );
}

function Waiting(props: { model: Model }): JSX.Element {
  return (
    <section aria-busy={!props.model.incident.error()}>
      <h1>Incident</h1>
      <Show when={props.model.incident.error()} fallback={<p class="state pulse">Loading…</p>}>
        {(error) => (
          <p class="state error" role="alert">
            It cannot be shown: {error()}{" "}
            <button type="button" onClick={() => props.model.incident.again()}>
              Try again
            </button>
          </p>
        )}
      </Show>
    </section>
  );
}
