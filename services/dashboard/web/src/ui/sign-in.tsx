// Asks for a token, where the server asks for one.

import { createSignal, type JSX, Show } from "solid-js";
import { session, signIn } from "../client/session";
import { Command } from "./command";
import { Panel } from "./panel";

export function SignIn(): JSX.Element {
  const [token, setToken] = createSignal("");
  const [error, setError] = createSignal<string>();
  const [isBusy, setBusy] = createSignal(false);
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    setBusy(true);
    setError(undefined);
    try {
      await signIn(token());
      if (session().state === "out") setError("This token is not known here.");
    } catch (failure) {
      setError(failure instanceof Error ? failure.message : String(failure));
    } finally {
      setBusy(false);
    }
  };
  return (
    <>
      <h1>Sign in</h1>
      <Panel title="Your token">
        <form class="stack" onSubmit={(event) => void submit(event)}>
          <p>This server asks for a token. Whoever runs it draws one for you:</p>
          <Command line="llm-sre access token --name YOU --role viewer" />
          <label class="field">
            Token
            <input
              type="password"
              autocomplete="current-password"
              required
              value={token()}
              onInput={(event) => setToken(event.currentTarget.value)}
            />
          </label>
          <div class="row">
            <button type="submit" class="primary" disabled={isBusy()}>
              Sign in
            </button>
            <Show when={error()}>
              <span class="troubled" role="alert">
                {error()}
              </span>
            </Show>
          </div>
        </form>
      </Panel>
    </>
  );
}
