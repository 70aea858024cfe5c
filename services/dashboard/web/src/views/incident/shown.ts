// What of an incident's explanation is in sight: which diagnosis, and which of its evidence is open. The address says both.

import { type Accessor, createEffect, createMemo, untrack } from "solid-js";
import type { Diagnosis, Evidence } from "@contracts/diagnosis/v1/diagnosis_pb";
import type { SignalRecording } from "@contracts/fleet/v1/fleet_pb";
import type { Incident } from "@contracts/incident/v1/incident_pb";
import { lastPart } from "../../lib/names";
import { query, setQuery } from "../../lib/route";
import { anomalyOf, type Around, around, elementOf } from "./evidence";
import type { Model } from "./model";
import { reveal } from "./reveal";

export interface ShownParts {
  /** The chosen diagnosis, else the newest. */
  diagnosis: Accessor<Diagnosis | undefined>;
  choose: (diagnosis: Diagnosis) => void;
  /** The evidence that is open, and that is there. */
  open: Accessor<Evidence | undefined>;
  isOpen: (id: string) => boolean;
  /** Opens evidence, and shows it: a signal at its chart, if it has one. */
  show: (id: string) => void;
  /** The same, and closes what is open already. */
  toggle: (id: string) => void;
  evidence: (id: string) => Evidence | undefined;
  /** Whether an anomaly was recorded, and has a chart. */
  hasChart: (anomaly: string) => boolean;
  recording: (anomaly: string) => SignalRecording | undefined;
  around: Accessor<Around | undefined>;
}

export function createShown(model: Model, incident: Accessor<Incident>): ShownParts {
  const chosen = createMemo(() => query("diagnosis"));
  const openId = createMemo(() => query("evidence"));
  const diagnosis = createMemo(() => chosenOf(model.diagnoses.value(), chosen()));
  const byId = createMemo(() => new Map((diagnosis()?.evidence ?? []).map((one) => [one.id, one])));
  const charts = createMemo(() => new Map(model.recordings.value().map((one) => [one.anomaly, one])));
  const hasChart = (anomaly: string) => charts().has(anomaly);
  const open = createMemo(() => byId().get(openId()));
  const isThere = createMemo(() => open()?.id);
  const show = (id: string) => {
    setQuery({ evidence: id });
    reveal(placeOf(byId().get(id), id, hasChart));
  };
  // A link that names evidence shows it, once it has come; what the reader opens later is shown by what opens it.
  let isLinked = openId() !== "";
  createEffect(() => {
    const id = isThere();
    if (!id || !isLinked) return;
    isLinked = false;
    untrack(() => reveal(placeOf(byId().get(id), id, hasChart)));
  });
  return {
    diagnosis,
    choose: (diagnosis) => {
      const newest = model.diagnoses.value()[0]?.name === diagnosis.name;
      setQuery({ diagnosis: newest ? "" : lastPart(diagnosis.name) }, true);
    },
    open,
    isOpen: (id) => openId() === id,
    show,
    toggle: (id) => (openId() === id ? setQuery({ evidence: "" }) : show(id)),
    evidence: (id) => byId().get(id),
    hasChart,
    recording: (anomaly) => charts().get(anomaly),
    around: createMemo(() => {
      const known = diagnosis();
      return known && around(incident(), known);
    }),
  };
}

/** The diagnosis of this id, else the newest. */
export function chosenOf(diagnoses: readonly Diagnosis[], id: string): Diagnosis | undefined {
  return diagnoses.find((diagnosis) => lastPart(diagnosis.name) === id) ?? diagnoses[0];
}

/** The element that shows evidence best. */
function placeOf(evidence: Evidence | undefined, id: string, hasChart: (anomaly: string) => boolean): string {
  const anomaly = evidence && anomalyOf(evidence);
  return anomaly && hasChart(anomaly.id) ? elementOf.signal(anomaly.id) : elementOf.evidence(id);
}
