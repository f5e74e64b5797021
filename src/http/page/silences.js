// Silences: what is not told of, until when, and why; and raised bars of series whose anomalies were none.

import { endSilence, explain, floorText, lowerFloor, silence } from "./actions.js";
import { ask, isMissing } from "./api.js";
import { h, replace } from "./dom.js";
import { ago, count, time } from "./format.js";
import { seriesLink } from "./now.js";

export const title = () => "Silences";
export const keys = [["n", "a new silence", () => document.querySelector('[data-action="silence"]')?.click()]];

const STATES = [["active", "in force, or to come"], ["expired", "over"], ["all", "all"]];

function row(one) {
  const kind = { active: "wait", pending: "none", expired: "none" }[one.state] || "none";
  return h(
    "tr",
    { "data-row": true, tabindex: "0" },
    h("td", {}, one.match.map((pattern) => h("div", {}, h("span", { class: "name" }, pattern))), (one.detectors || []).length > 0 && h("div", { class: "note" }, `only by ${one.detectors.join(", ")}`)),
    h("td", {}, h("span", { class: `pill state-${kind}` }, one.state)),
    h("td", {}, one.reason, h("div", { class: "note" }, `by ${one.author}`)),
    h("td", { title: `from ${time(one.from)}` }, one.state === "pending" ? [`from ${time(one.from)}`, h("br", {})] : "", one.state === "expired" ? `until ${time(one.until)}` : [`until ${time(one.until)}`, h("div", { class: "note" }, ago(one.until))]),
    h("td", {}, one.state !== "expired" && h("button", { class: "small", type: "button", onclick: () => endSilence(one) }, "End it")),
  );
}

export function show(main, place) {
  let state = "active";
  let [left, asked] = [false, 0];
  const states = h("select", { "aria-label": "State" }, STATES.map(([value, text]) => h("option", { value }, text)));
  const fresh = h("button", { class: "primary", type: "button", "data-action": "silence", onclick: () => silence({ patterns: (place.parameters.get("match") || "").split("\n").filter((one) => one) }) }, "New silence");
  const body = h("section", {}, h("p", { class: "note" }, "Asking the relay …"));
  const floors = h("section", {});
  replace(main, h("div", { class: "head" }, h("h1", {}, "Silences"), h("form", { class: "filters", onsubmit: (event) => event.preventDefault() }, h("span", {}, states), fresh)), body, floors);

  function take({ parameters }) {
    const wanted = parameters.get("state");
    state = STATES.some(([value]) => value === wanted) ? wanted : "active";
    states.value = state;
  }

  async function load() {
    const mine = (asked += 1);
    try {
      const answer = await ask("silences", { state: state === "active" ? "" : state, limit: 200 });
      if (left || mine !== asked) return;
      fresh.disabled = false;
      const shown = state === "active" ? answer.silences.filter((one) => one.state !== "expired") : answer.silences;
      replace(
        body,
        shown.length === 0
          ? h("div", { class: "empty" }, h("h2", {}, state === "expired" ? "No silence has ended" : "Nothing is silenced"), h("p", {}, "A silence keeps what matches a pattern from being told, until its end. It is still found, shown and counted."))
          : h("div", { class: "scroll card" }, h("table", {}, h("thead", {}, h("tr", {}, ["Series", "State", "Why", "Time", ""].map((text) => h("th", {}, text)))), h("tbody", {}, shown.map(row)))),
        answer.total > answer.silences.length && h("p", { class: "note" }, `${count(answer.silences.length)} of ${count(answer.total)} are shown.`),
      );
    } catch (error) {
      if (left || mine !== asked) return;
      fresh.disabled = isMissing(error);
      replace(body, h("div", { class: "empty" }, h("h2", {}, isMissing(error) ? "This relay keeps no silences" : "The silences cannot be shown"), h("p", {}, explain(error))));
    }
    try {
      const answer = await ask("feedback");
      if (left || mine !== asked) return;
      const all = answer.feedback || answer.floors || [];
      replace(
        floors,
        h("h2", {}, "Not anomalies"),
        all.length === 0
          ? h("p", { class: "note" }, "Nobody has said of an anomaly that it is none.")
          : h("div", { class: "scroll card" }, h("table", {}, h("thead", {}, h("tr", {}, ["Series", "Detector", "Bar", "Why", ""].map((text) => h("th", {}, text)))), h("tbody", {}, all.map((one) => h("tr", {}, h("td", {}, seriesLink(one.series)), h("td", {}, one.detector), h("td", {}, floorText(one.floor || one)), h("td", {}, one.reason || "", one.author && h("div", { class: "note" }, `by ${one.author}`)), h("td", {}, h("button", { class: "small", type: "button", onclick: () => lowerFloor(one.series, one.detector) }, "Take back"))))))),
      );
    } catch {
      if (!left && mine === asked) replace(floors);
    }
  }

  states.addEventListener("change", () => {
    state = states.value;
    history.replaceState(null, "", "#/silences" + (state === "active" ? "" : `?state=${state}`));
    load();
  });
  window.addEventListener("relay-changed", load);
  const again = setInterval(() => document.hidden || document.querySelector("dialog[open]") || load(), 15000);
  take(place);
  load();

  return {
    again(next) {
      place = next;
      take(next);
      load();
    },
    leave() {
      left = true;
      clearInterval(again);
      window.removeEventListener("relay-changed", load);
    },
  };
}
