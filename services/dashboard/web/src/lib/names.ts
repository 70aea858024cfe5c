// Names of the contracts as people read them.

import type { GenEnum } from "@bufbuild/protobuf/codegenv2";
import type { ServiceIdentity } from "@contracts/telemetry/v1/telemetry_pb";

/** `[namespace/]name[@environment]`, as the command line takes it. */
export function serviceName(service: ServiceIdentity | undefined): string {
  if (!service) return "";
  const namespace = service.namespace && `${service.namespace}/`;
  const environment = service.environment && `@${service.environment}`;
  return `${namespace}${service.name}${environment}`;
}

/** What {@link serviceName} wrote. */
export function parseService(text: string): { namespace: string; name: string; environment: string } {
  const slash = text.indexOf("/");
  const at = text.lastIndexOf("@");
  const end = at > slash ? at : text.length;
  return { namespace: text.slice(0, Math.max(slash, 0)), name: text.slice(slash + 1, end), environment: text.slice(end + 1) };
}

/** A value of an enum in lower case and without what all its values begin with, as in `awaiting approval`. */
export function enumName<E extends number>(of: GenEnum<E>, value: E): string {
  const shared = of.sharedPrefix ?? "";
  const name = of.value[value]?.name.toLowerCase() ?? `unknown (${value})`;
  return (name.startsWith(shared) ? name.slice(shared.length) : name).replaceAll("_", " ");
}

/** The last part of a resource name, as in the id of `incidents/{id}`. */
export function lastPart(name: string): string {
  return name.slice(name.lastIndexOf("/") + 1);
}

/** The first characters of an id, enough to tell incidents of a day apart. */
export function shortId(name: string): string {
  return lastPart(name).slice(0, 8);
}

/** As in `(2) Now · LLM-SRE`; what was lost comes first, since titles are cut at their ends. */
export function titleOf(view: string, isLost: boolean, openCount: number): string {
  return `${isLost ? "Not live · " : ""}${openCount > 0 ? `(${openCount}) ` : ""}${view} · LLM-SRE`;
}
