// The frame around every view: where one can go, whether what is seen is live, and what keeps the product from acting.

import { createEffect, createMemo, ErrorBoundary, For, type JSX, lazy, on, onMount, Show, Suspense } from "solid-js";
import { Dynamic } from "solid-js/web";
import { productNow } from "./client/clock";
import { live, lookAt } from "./client/live";
import { clock, span } from "./lib/time";
import { followLinks, route } from "./lib/route";
import { session, signOut } from "./client/session";
import { Aloud, keepTitle } from "./ui/aloud";
import { HoldsBar } from "./ui/holds";
import { SignIn } from "./ui/sign-in";
import { otherTheme, theme } from "./ui/theme";
import { Now } from "./views/now/now";

/** After the first view is there. */
const FETCH_AFTER_MS = 2_000;

interface View {
  path: RegExp;
  title: string;
  /** In the navigation; absent for views that are reached from others. */
  link?: string;
  show: () => JSX.Element;
}

const IncidentView = lazy(() => import("./views/incident/incident").then((module) => ({ default: module.IncidentView })));
const Explore = lazy(() => import("./views/explore/explore").then((module) => ({ default: module.Explore })));
const History = lazy(() => import("./views/history/history").then((module) => ({ default: module.History })));
const Audit = lazy(() => import("./views/audit/audit").then((module) => ({ default: module.Audit })));

/** The address of an incident that there can be. */
const INCIDENT = /^\/incidents\/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

const VIEWS: readonly View[] = [
  { path: /^\/$/, title: "Now", link: "/", show: Now },
  { path: /^\/incidents\/[^/]+$/, title: "Incident", show: IncidentView },
  { path: /^\/incidents$/, title: "History", link: "/incidents", show: History },
  { path: /^\/explore$/, title: "Explore", link: "/explore", show: Explore },
  { path: /^\/audit$/, title: "Audit", link: "/audit", show: Audit },
];

/** Fetches what other views are made of while nothing else is to do: so they are there, and of one version, whatever comes. */
function fetchViews(): void {
  for (const view of [IncidentView, Explore, History, Audit]) void view.preload().catch(() => {});
}

export function App(): JSX.Element {
  let main!: HTMLElement;
  const view = () => VIEWS.find((view) => view.path.test(route().path));
  // The stream follows the incident that is looked at, and no other.
  createEffect(() => lookAt(INCIDENT.test(route().path) ? route().path.slice(1) : ""));
  keepTitle(() => view()?.title ?? "Not found");
  onMount(() => setTimeout(fetchViews, FETCH_AFTER_MS));
  // Who reads by ear learns that another view is there.
  const path = createMemo(() => route().path);
  createEffect(on(path, () => main.focus({ preventScroll: true }), { defer: true }));
  return (
    // Links are followed wherever they stand; each of them is a link by itself, for the keyboard too.
    <div onClick={followLinks}>
      <a class="skip" href="#main">
        To the content
      </a>
      <header class="top">
        <a class="mark" href="/">
          LLM-SRE
        </a>
        <nav aria-label="Views">
          <ul>
            <For each={VIEWS.filter((view) => view.link)}>
              {(view) => (
                <li>
                  <a href={view.link} aria-current={view.path.test(route().path) ? "page" : undefined}>
                    {view.title}
                  </a>
                </li>
              )}
            </For>
          </ul>
        </nav>
        <div class="end">
          <ConnectionState />
          <Who />
          <button type="button" onClick={otherTheme}>
            {theme() === "dark" ? "Light" : "Dark"}
          </button>
        </div>
      </header>
      <main id="main" tabindex="-1" ref={main}>
        <Show when={session().state !== "out"} fallback={<SignIn />}>
          <Aloud />
          <Lost />
          <HoldsBar />
          <Suspense fallback={<p class="state pulse">Loading…</p>}>
            <ErrorBoundary fallback={(error) => <Broken error={error} />}>
              <Show when={view()} fallback={<NotFound />}>
                {(view) => <Dynamic component={view().show} />}
              </Show>
            </ErrorBoundary>
          </Suspense>
        </Show>
      </main>
    </div>
  );
}

/** Whether what is seen is live. Where it is not, a notice says so and stays in sight. */
function ConnectionState(): JSX.Element {
  const words = () => {
    const { state } = live.connection();
    return state === "live" ? `live · ${clock(productNow())}` : state === "lost" ? "not live" : "connecting…";
  };
  const class_ = () => ({ live: "well", lost: "troubled", connecting: "unknown" })[live.connection().state];
  return (
    <span class={`badge ${class_()}`} data-connection={live.connection().state}>
      {words()}
    </span>
  );
}

/** Who is signed in; nobody where the server asks nobody. */
function Who(): JSX.Element {
  const who = () => {
    const known = session();
    return known.state === "in" && known.signedIn ? known : undefined;
  };
  return (
    <Show when={who()}>
      {(who) => (
        <>
          <span data-who={who().role}>
            {who().actor} <span class="muted">({who().role})</span>
          </span>
          <button type="button" onClick={() => void signOut()}>
            Sign out
          </button>
        </>
      )}
    </Show>
  );
}

function Lost(): JSX.Element {
  const lost = () => {
    const connection = live.connection();
    return connection.state === "lost" ? connection : undefined;
  };
  return (
    <>
      <div role="status" class="loss">
        <Show when={lost()}>
          {(lost) => (
            <p class="notice lost">
              <strong>Connection lost</strong> at {clock(lost().since)} ({lost().why}). What you see is as it was then, and
              is brought up to date when the server answers; it is asked again every few seconds.
            </p>
          )}
        </Show>
      </div>
      {/* It counts, and so is no status: that would be said anew with each second. */}
      <Show when={live.fleet()?.fleet?.current === false}>
        <p class="notice waiting">
          Detection reads what came before its start, and knows less than it will
          <Show when={behind()}>{(behind) => <> ({span(behind())} behind)</>}</Show>.
        </p>
      </Show>
    </>
  );
}

function behind(): number | undefined {
  const read = live.fleet()?.fleet?.readTime;
  return read && productNow() - Number(read.seconds) * 1000;
}

/** Where a view fails: most often its part of the page could not be fetched, or is of another version than the rest. */
function Broken(props: { error: unknown }): JSX.Element {
  console.error(props.error);
  return (
    <section role="alert">
      <h1>This view cannot be shown</h1>
      <p>{String(props.error)}</p>
      <p>The server may be away, or may have been replaced by another version since this page was opened.</p>
      <button type="button" class="primary" onClick={() => location.reload()}>
        Load the page anew
      </button>
    </section>
  );
}

function NotFound(): JSX.Element {
  return (
    <section>
      <h1>There is nothing here</h1>
      <p>
        The address <code>{route().path}</code> is not one of this page's. <a href="/">Go to what is happening now.</a>
      </p>
    </section>
  );
}
