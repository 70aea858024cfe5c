// The heads of a table's columns.

import { For, type JSX } from "solid-js";

export interface Column {
  title: string;
  isNumber?: boolean;
}

export const classOf = (column: Column | undefined): string => (column?.isNumber ? "number" : "");

export function Heads(props: { columns: readonly Column[] }): JSX.Element {
  return (
    <thead>
      <tr>
        <For each={props.columns}>
          {(column) => (
            <th scope="col" class={classOf(column)}>
              {column.title}
            </th>
          )}
        </For>
      </tr>
    </thead>
  );
}
