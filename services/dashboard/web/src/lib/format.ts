// Numbers as people read them. What is absent is a dash, never a zero.

export const ABSENT = "–";

/** About three digits. */
export function number(value: number): string {
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size >= 1e9 || size < 1e-4) return value.toExponential(1);
  if (size >= 1e6) return `${trim(value / 1e6)}M`;
  if (size >= 1e4) return `${trim(value / 1e3)}k`;
  return trim(value);
}

function trim(value: number): string {
  return String(Number(value.toPrecision(3)));
}

export function percent(ratio: number | undefined): string {
  return ratio === undefined ? ABSENT : `${trim(ratio * 100)} %`;
}

export function rate(perSecond: number | undefined): string {
  return perSecond === undefined ? ABSENT : `${number(perSecond)}/s`;
}

export function seconds(value: number | undefined): string {
  if (value === undefined) return ABSENT;
  return Math.abs(value) < 1 ? `${trim(value * 1000)} ms` : `${trim(value)} s`;
}

const BYTES: [number, string][] = [
  [2 ** 40, "TiB"],
  [2 ** 30, "GiB"],
  [2 ** 20, "MiB"],
  [2 ** 10, "KiB"],
];

/** Whether the values of a metric are shares of one: in the unit 1 there are counts, too, and only a name tells. */
export function isShareByName(metric: string, unit: string): boolean {
  return unit === "1" && /utili[sz]ation|ratio|availability/.test(metric);
}

/** A value with its unit in UCUM. */
export function quantity(value: number, unit: string, isShare = false): string {
  if (isShare) return percent(value);
  switch (unit) {
    case "s":
      return seconds(value);
    case "ms":
      return seconds(value / 1000);
    case "By": {
      const [size, name] = BYTES.find(([size]) => Math.abs(value) >= size) ?? [1, "B"];
      return `${trim(value / size)} ${name}`;
    }
    case "%":
      return `${trim(value)} %`;
    case "":
    case "1":
      return number(value);
    default:
      return `${number(value)} ${unit.replace(/[{}]/g, "")}`;
  }
}

/** As in 1 line, or 3 lines. */
export function counted(count: number, one: string, more = `${one}s`): string {
  return `${count} ${count === 1 ? one : more}`;
}
