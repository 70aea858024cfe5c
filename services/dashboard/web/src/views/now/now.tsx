// What is happening now: which incidents live, what the product does about them and waits for, and how services are.

import type { JSX } from "solid-js";
import { Doing } from "./doing";
import { KillSwitchPanel } from "./kill-switch";
import { OpenIncidents } from "./open-incidents";
import { ServiceMap } from "./service-map";
import { Sources } from "./sources";

export function Now(): JSX.Element {
  return (
    <>
      <h1 class="spoken">What is happening now</h1>
      <div class="columns">
        <OpenIncidents />
        <Doing />
      </div>
      <ServiceMap />
      <div class="columns">
        <Sources />
        <KillSwitchPanel />
      </div>
    </>
  );
}
