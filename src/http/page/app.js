// The frame of the page: which view is shown, in which colours, and whether what it shows is live.
//
// A view is `{title, show(main, place)}`; `show` may give `{leave(), again(place)}`. A place is the part of the address
// behind `#/`: a path, whose parts are decoded, and parameters. Everything that one may want to send to somebody is in it.

import { h, replace } from "./dom.js";
import { duration } from "./format.js";
import * as keys from "./keys.js";
import * as live from "./live.js";
import * as now from "./now.js";
import * as series from "./series.js";
import * as list from "./list.js";
import * as relay from "./relay.js";
import * as history from "./history.js";
import * as silences from "./silences.js";

const main = document.getElementById("main");
let shown = null;

function place() {
  const hash = location.hash.replace(/^#\/?/, "");
  const [path, query] = [hash.split("?")[0], hash.slice(hash.indexOf("?") + 1)];
  const parts = path.split("/").filter((part) => part !== "");
  return {
    path: parts.map((part) => {
      try {
        return decodeURIComponent(part);
      } catch {
        return part;
      }
    }),
    parameters: new URLSearchParams(hash.includes("?") ? query : ""),
  };
}

function find({ path }) {
  switch (path[0]) {
    case undefined:
    case "now":
      return { name: "now", view: now };
    case "series":
      return path.length > 1 ? { name: "series", view: series } : { name: "series", view: list };
    case "history":
      return { name: "history", view: history };
    case "silences":
      return { name: "silences", view: silences };
    case "relay":
      return { name: "relay", view: relay };
    default:
      return { name: "", view: { title: () => "Not here", show: nowhere } };
  }
}

function nowhere(into) {
  replace(into, h("div", { class: "empty" }, h("h1", {}, "There is nothing here"), h("p", {}, h("a", { href: "#/now" }, "See what is wrong now"))));
}

function route() {
  const at = place();
  const { name, view } = find(at);
  const identity = view === series ? "series/" + at.path[1] : name;
  for (const link of document.querySelectorAll("#nav a")) {
    const isHere = link.dataset.view === name;
    link.classList.toggle("here", isHere);
    if (isHere) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${view.title(at)} · skyrelay`;
  // The same view at another place, such as another filter, goes on.
  if (shown && shown.view === view && shown.identity === identity && shown.handle && shown.handle.again) {
    shown.handle.again(at);
    return;
  }
  if (shown && shown.handle && shown.handle.leave) shown.handle.leave();
  keys.setLocal(view.keys);
  replace(main);
  main.className = "view-" + (view === series ? "one-series" : name);
  const wasShown = shown !== null;
  shown = { view, identity, handle: null };
  shown.handle = view.show(main, at);
  if (wasShown) {
    window.scrollTo(0, 0);
    main.focus({ preventScroll: true });
  }
}

const THEMES = ["auto", "light", "dark"];
const SIGNS = { auto: "◐", light: "☀", dark: "☾" };

function setTheme(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  const button = document.getElementById("theme");
  button.textContent = SIGNS[theme];
  button.title = `Colours: ${theme === "auto" ? "as the system has them" : theme}`;
  button.setAttribute("aria-label", button.title);
}

function startTheme() {
  let theme = "auto";
  try {
    theme = localStorage.getItem("theme") || "auto";
  } catch {
    // A browser that keeps nothing.
  }
  if (!THEMES.includes(theme)) theme = "auto";
  setTheme(theme);
  document.getElementById("theme").addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    setTheme(theme);
    try {
      localStorage.setItem("theme", theme);
    } catch {
      // It holds until the page is left.
    }
  });
}

function startLive() {
  const badge = document.getElementById("live");
  let [state, since] = ["connecting", null];
  const say = () => {
    const age = since ? duration((Date.now() - since) / 1000) : "";
    const [text, title] = {
      live: ["live", "What happens is shown as it happens."],
      connecting: ["connecting", "The stream of events is being opened."],
      lost: [`no connection for ${age}`, "The relay does not answer, or has no room for another follower. It is tried again and again; what is shown may be old."],
      stale: ["no word", "The connection is open and says nothing. What is shown may be old."],
    }[state];
    badge.className = "live " + state;
    if (badge.textContent !== text) badge.textContent = text;
    badge.title = title;
    document.body.classList.toggle("offline", state === "lost" || state === "stale");
  };
  live.watchState((next, at) => {
    [state, since] = [next, at];
    say();
  });
  setInterval(say, 1000);
  live.start();
}

startTheme();
keys.start();
window.addEventListener("hashchange", route);
route();
startLive();
