import "./styles/base.css";
import "./styles/frame.css";
import "./styles/views.css";
import { render } from "solid-js/web";
import { App } from "./app";
import { follow } from "./client/live";

const root = document.getElementById("root");
if (root) render(() => <App />, root);
void follow();
