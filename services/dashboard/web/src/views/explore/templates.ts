// Log lines by their template: what stays the same when the same statement logs again.

/** What stands for a part that changes. */
export const HOLE = "<*>";
/** Of longer lines the beginning is looked at: they differ in what they carry, not in who wrote them. */
const LENGTH_MAX = 2_000;

const QUOTED = /"(?:[^"\\]|\\.)*"|`[^`]*`|(?<!\w)'[^']*'(?!\w)/g;
const WORDS = /[\w.+-]+/g;
/** Holes beside each other, as a time of day or a list leaves them, are one: lists differ in how long they are. */
const HOLES = /<\*>(?:[:.,;/+\- ]{0,2}<\*>)+/g;

/** A line without what changes from one time to the next: numbers, ids and what stands in quotes. */
export function templateOf(line: string): string {
  const beginning = line.slice(0, LENGTH_MAX);
  const bare = beginning.replace(QUOTED, (text, at: number) =>
    // Keys of JSON say which statement it was; values do not.
    /^\s*:/.test(beginning.slice(at + text.length, at + text.length + 8)) ? text : HOLE,
  );
  const template = bare.replace(WORDS, (word) => (/\d/.test(word) ? HOLE + (/[.+-]+$/.exec(word)?.[0] ?? "") : word));
  const joined = template.replace(HOLES, HOLE).replace(/\s+/g, " ").trim();
  return line.length > LENGTH_MAX ? `${joined}…` : joined;
}

export interface Template<T> {
  template: string;
  lines: readonly T[];
}

/** The lines by template, the most frequent first, and of the same count as they were met. */
export function byTemplate<T extends { body: string }>(lines: readonly T[]): Template<T>[] {
  const groups = new Map<string, T[]>();
  for (const line of lines) {
    const template = templateOf(line.body) || "(no text)";
    const group = groups.get(template);
    if (group) group.push(line);
    else groups.set(template, [line]);
  }
  return [...groups].map(([template, lines]) => ({ template, lines })).sort((a, b) => b.lines.length - a.lines.length);
}
