// The templates that log lines have, the most frequent first.

import { type JSX, Show } from "solid-js";
import type { LogRecord } from "@contracts/telemetry/v1/telemetry_pb";
import { counted } from "../../lib/format";
import { Keyed } from "../../ui/keyed";
import { severityName } from "./log-search";
import type { Template } from "./templates";

const ROWS_MAX = 50;

interface TemplatesProps {
  templates: readonly Template<LogRecord>[];
  /** How many lines they were made of. */
  lines: number;
  chosen: string;
  choose: (template: string) => void;
}

/** The severity of the worst of the lines, in a word. */
function worst(template: Template<LogRecord>): string {
  const line = template.lines.reduce((worst, line) => (line.severity > worst.severity ? line : worst));
  return severityName(line);
}

export function LogTemplates(props: TemplatesProps): JSX.Element {
  return (
    <>
      <p class="muted">
        {`${counted(props.templates.length, "template")} among the ${counted(props.lines, "line")} fetched. `}
        {"What changes from line to line is shown as <*>."}
        {props.templates.length > ROWS_MAX ? ` The ${ROWS_MAX} most frequent are listed.` : ""}
      </p>
      <div class="scrolls" tabindex="0" role="group" aria-label="Templates">
        <table>
          <thead>
            <tr>
              <th scope="col" class="number">
                Lines
              </th>
              <th scope="col">Worst</th>
              <th scope="col">Template</th>
            </tr>
          </thead>
          <tbody>
            <Keyed each={props.templates.slice(0, ROWS_MAX)} by={(template) => template.template}>
              {(template) => (
                <tr data-template={template().template}>
                  <td class="number">{template().lines.length}</td>
                  <td>{worst(template())}</td>
                  <td class="long">
                    <button
                      type="button"
                      class="plain"
                      aria-pressed={props.chosen === template().template}
                      onClick={() => props.choose(props.chosen === template().template ? "" : template().template)}
                    >
                      <code>{template().template}</code>
                      <Show when={props.chosen === template().template}> (shown alone)</Show>
                    </button>
                  </td>
                </tr>
              )}
            </Keyed>
          </tbody>
        </table>
      </div>
    </>
  );
}
