// The services that were heard of in a range, page by page as far as a list of choices can bear.

import { type Accessor, createMemo } from "solid-js";
import type { Service } from "@contracts/telemetry/v1/telemetry_pb";
import { telemetry } from "../../client/api";
import { type Asked, ask } from "../../ui/ask";
import { type Millis, millis, timestamp } from "../../lib/time";
import type { Range, Window } from "./range";
import { type Scope, windowNow } from "./scope";

const PAGE = 1_000;
const PAGES_MAX = 5;
/** Services and the names of their metrics change seldom. */
const REFRESH_MS = 60_000;
const LOOK_BACK_MS = 86_400_000;

export interface Services {
  services: readonly Service[];
  /** Whether there are more than were asked for. */
  isCut: boolean;
  /** When the last was heard of any service, within a day before; only where none was heard of in the range. */
  newest: Millis | undefined;
}

export const wireRange = (window: Window) => ({ startTime: timestamp(window.from), endTime: timestamp(window.to) });

export function askServices(scope: Scope): Asked<Services> {
  const range: Accessor<Range | undefined> = createMemo(() => scope.range());
  return ask(range, (range, signal) => allServices(windowNow(range), signal), {
    everyMs: () => (scope.range()?.isLive ? REFRESH_MS : undefined),
    // The choice stays in sight while it is asked what there is in another range.
    isAnother: () => false,
  });
}

async function allServices(window: Window, signal: AbortSignal): Promise<Services> {
  const services: Service[] = [];
  let pageToken = "";
  for (let page = 0; page < PAGES_MAX; page++) {
    const found = await telemetry.listServices({ range: wireRange(window), pageSize: PAGE, pageToken }, { signal });
    services.push(...found.services);
    pageToken = found.nextPageToken;
    if (!pageToken) break;
  }
  const newest = services.length === 0 ? await newestBefore(window, signal) : undefined;
  return { services, isCut: pageToken !== "", newest };
}

/** Telemetry that comes late is not there yet at the end of the time: where to find the last of it. */
async function newestBefore(window: Window, signal: AbortSignal): Promise<Millis | undefined> {
  const range = wireRange({ from: window.to - LOOK_BACK_MS, to: window.to });
  const { services } = await telemetry.listServices({ range, pageSize: PAGE }, { signal });
  const times = services.map((service) => millis(service.lastSeenTime)).filter((time) => time !== undefined);
  return times.length > 0 ? Math.max(...times) : undefined;
}
