// Who is signed in, and what they may do. What a role may not do is not offered; the server refuses it all the same.

import { createSignal } from "solid-js";

export type Role = "viewer" | "approver" | "admin";

export type Session =
  | { state: "asking" }
  /** A token is asked for, and none that is known was shown. */
  | { state: "out"; why: string }
  /**
   * `signedIn` is false where the server asks nobody for a token. `traceUrl` is where a trace is shown, with `{trace_id}`
   * in place of its id; the server takes only addresses of http and https for it.
   */
  | { state: "in"; actor: string; role: Role; signedIn: boolean; traceUrl?: string };

const [session, setSession] = createSignal<Session>({ state: "asking" });
export { session };

/** Whether people with this role decide: approve, acknowledge, stop. */
export const mayDecide = (): boolean => {
  const who = session();
  return who.state === "in" && who.role !== "viewer";
};

const PATH = "/session";

/** Asks the server who this is. */
export async function askWho(): Promise<void> {
  await take(await fetch(PATH, { cache: "no-store" }));
}

/** Shows a token. */
export async function signIn(token: string): Promise<void> {
  await take(await fetch(PATH, { method: "POST", headers: { authorization: `Bearer ${token.trim()}` } }));
}

/** Lets go of it. */
export async function signOut(): Promise<void> {
  await fetch(PATH, { method: "DELETE" });
  // What was seen goes with it.
  location.assign("/");
}

const waiting: (() => void)[] = [];

/** Until somebody is signed in, or nobody has to be. */
export async function whenIn(): Promise<void> {
  if (session().state !== "in") await new Promise<void>((done) => waiting.push(done));
}

/** Notes that the server does not know us any more. */
export function isSignedOut(why: string): void {
  setSession({ state: "out", why });
}

async function take(answer: Response): Promise<void> {
  if (answer.ok) {
    const said = (await answer.json()) as { actor: string; role: Role; signedIn: boolean; traceUrl?: string };
    setSession({ state: "in", ...said });
    for (const done of waiting.splice(0)) done();
  } else if (answer.status === 401) {
    setSession({ state: "out", why: "" });
  } else {
    throw new Error((await answer.text()).trim() || `the server answers ${answer.status}`);
  }
}
