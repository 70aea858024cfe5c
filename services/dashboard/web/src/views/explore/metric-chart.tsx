// One metric of a service over the time that is looked at.

import { createMemo, For, type JSX, Show } from "solid-js";
import { ask } from "../../ui/ask";
import { isShareByName } from "../../lib/format";
import { Chart } from "../../ui/chart";
import type { Mark } from "../../ui/overlays";
import { Panel } from "../../ui/panel";
import { type View, VIEWS } from "./choices";
import { answerMetric, type MetricAnswer, type MetricQuestion } from "./metric-answer";
import { lengthOf } from "./range";
import { isSame, refreshOf, type Scope, zoom } from "./scope";

interface MetricChartProps {
  scope: Scope;
  metric: string;
  /** What the reader chose; absent where the page chooses. */
  view: View | undefined;
  choose: (view: View | undefined) => void;
  other: string;
  earlier: string;
  marks: readonly Mark[];
  /** Of all charts together, in pixels; absent before it was measured. */
  width: number | undefined;
}

/** Two points a pixel, as far as the server gives them; in steps, so that a chart is not asked for with every pixel. */
function pointsFor(width: number): number {
  return Math.min(5_000, Math.max(200, Math.ceil((2 * width) / 200) * 200));
}

export function MetricChart(props: MetricChartProps): JSX.Element {
  const question = createMemo<MetricQuestion | undefined>(
    () => {
      const range = props.scope.range();
      const service = props.scope.service();
      if (!range || !service || props.width === undefined) return undefined;
      const other = props.other === service ? "" : props.other;
      const earlier = lengthOf(props.earlier) ? props.earlier : "";
      return { range, service, metric: props.metric, view: props.view, other, earlier, points: pointsFor(props.width) };
    },
    undefined,
    { equals: isSame },
  );
  const asked = ask(question, answerMetric, { everyMs: () => refreshOf(props.scope.range()) });
  return (
    <div class="chart-of" data-metric={props.metric}>
      <Panel
        title={props.metric}
        isLoading={asked.isLoading()}
        error={asked.error()}
        again={asked.again}
        empty={asked.data()?.lines.length === 0 ? "No data in this range." : undefined}
        aside={<ViewChoice metric={props.metric} view={props.view} shown={asked.data()?.view} choose={props.choose} />}
      >
        <Show when={asked.data()}>
          {(answer) => <Drawn answer={answer()} metric={props.metric} service={props.scope.service()} marks={props.marks} />}
        </Show>
      </Panel>
    </div>
  );
}

const IN_WORDS: Readonly<Record<View, string>> = {
  value: "as it was sent",
  rate: "growth in a second",
  mean: "mean of what was measured",
};

function Drawn(props: { answer: MetricAnswer; metric: string; service: string; marks: readonly Mark[] }): JSX.Element {
  const unit = () => (props.answer.unit && props.answer.unit !== "1" ? `, in ${props.answer.unit.replace(/[{}]/g, "")}` : "");
  return (
    <>
      <Chart
        label={`${props.metric} of ${props.service}, ${IN_WORDS[props.answer.view]}`}
        lines={props.answer.lines}
        unit={props.answer.unit}
        isShare={props.answer.view !== "rate" && isShareByName(props.metric, props.answer.unit)}
        marks={props.marks}
        from={props.answer.from}
        to={props.answer.to}
        onZoom={zoom}
      />
      <p class="muted">
        {`${props.answer.view}: ${IN_WORDS[props.answer.view]}${unit()}.`} {props.answer.words.join(" ")}
      </p>
    </>
  );
}

interface ViewChoiceProps {
  metric: string;
  view: View | undefined;
  /** What is shown, whoever chose it. */
  shown: View | undefined;
  choose: (view: View | undefined) => void;
}

function ViewChoice(props: ViewChoiceProps): JSX.Element {
  return (
    <select
      aria-label={`How to read ${props.metric}`}
      onChange={(event) => props.choose(VIEWS.find((view) => view === event.currentTarget.value))}
    >
      <option value="" selected={!props.view}>
        {!props.view && props.shown ? `by itself (${props.shown})` : "by itself"}
      </option>
      <For each={VIEWS}>
        {(view) => (
          <option value={view} selected={props.view === view}>
            {view}
          </option>
        )}
      </For>
    </select>
  );
}
