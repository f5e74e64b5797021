// What was: anomalies on disk, searched by series, detector and time; without a history, those still remembered.

import { ask } from "./api.js";
import { h, reconcile, replace } from "./dom.js";
import { count, pattern } from "./format.js";
import { makeRow, tickRow, updateRow } from "./now.js";

export const title = () => "History";
export const keys = [];

const PAGE = 50;
const MOST = 500;
const TIMES = [["", "any time"], ["3600", "the last hour"], ["86400", "the last day"], ["604800", "the last week"], ["2592000", "the last 30 days"], ["between", "between …"]];

// A time as the form has it, in the zone of whoever looks.
function local(timestamp) {
  const date = new Date(timestamp * 1000);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
}

export function show(main, place) {
  let wanted = {};
  let [left, asked, typing, cursor, looked] = [false, 0, 0, null, 0];
  let found = [];
  const input = h("input", { type: "search", "data-filter": true, placeholder: "a part of a name, or a pattern", "aria-label": "Series", spellcheck: "false", autocomplete: "off" });
  const detector = h("select", { "aria-label": "Detector" }, h("option", { value: "" }, "any detector"));
  const span = h("select", { "aria-label": "Time" }, TIMES.map(([value, text]) => h("option", { value }, text)));
  const from = h("input", { type: "datetime-local", "aria-label": "From" });
  const until = h("input", { type: "datetime-local", "aria-label": "Until" });
  const between = h("span", { class: "segmented", hidden: true }, from, until);
  const problem = h("p", { class: "note bad", role: "alert", hidden: true });
  const note = h("p", { class: "note", role: "status" }, "Asking the relay …");
  const rows = h("div", { class: "rows", role: "list", "aria-label": "Anomalies" });
  const more = h("button", { type: "button", hidden: true }, "Show older ones");
  replace(main, h("div", { class: "head" }, h("h1", {}, "History"), h("form", { class: "filters", onsubmit: (event) => event.preventDefault() }, input, h("span", {}, detector), h("span", {}, span), between)), problem, note, rows, h("p", { class: "more" }, more));

  ask("relay").then(({ detectors }) => {
    if (left) return;
    for (const { name } of detectors) detector.append(h("option", { value: name }, name));
    detector.value = wanted.detector;
  }, () => {});

  function take({ parameters }) {
    wanted = Object.fromEntries(["match", "detector", "time", "from", "until"].map((key) => [key, parameters.get(key) || ""]));
    if (document.activeElement !== input) input.value = wanted.match;
    detector.value = wanted.detector;
    span.value = wanted.from || wanted.until ? "between" : wanted.time;
    between.hidden = span.value !== "between";
    from.value = wanted.from ? local(Number(wanted.from)) : "";
    until.value = wanted.until ? local(Number(wanted.until)) : "";
  }

  function remember() {
    const query = new URLSearchParams();
    for (const [key, value] of Object.entries(wanted)) if (value) query.set(key, value);
    history.replaceState(null, "", "#/history" + (query.size > 0 ? "?" + query : ""));
  }

  async function load(older) {
    const mine = (asked += 1);
    const seconds = Number(wanted.time);
    const question = {
      match: wanted.match ? pattern(wanted.match) : "",
      detector: wanted.detector,
      from: wanted.from || (seconds > 0 ? Math.floor(Date.now() / 1000) - seconds : ""),
      until: wanted.until,
      limit: PAGE,
      before: older ? cursor : "",
    };
    try {
      const answer = await ask("history", question);
      if (left || mine !== asked) return;
      problem.hidden = true;
      found = older ? [...found, ...answer.anomalies] : answer.anomalies;
      cursor = answer.next;
      looked = (older ? looked : 0) + answer.looked_at;
      reconcile(rows, found, (anomaly) => anomaly.id, makeRow, updateRow);
      more.hidden = !cursor;
      more.disabled = found.length >= MOST;
      more.textContent = more.disabled ? `${count(MOST)} are shown: choose a time or a name to see older ones` : answer.cut_short ? "Look further back" : "Show older ones";
      const what = answer.cut_short ? `${found.length === 0 ? "None" : count(found.length)} of the newest ${count(looked)} records ${found.length === 1 ? "matches" : "match"} so far.` : found.length === 0 ? "No anomaly matches." : `${count(found.length)}${cursor ? " newest" : ""} ${found.length === 1 ? "anomaly" : "anomalies"}, the newest first.`;
      note.textContent = answer.source === "disk" ? what : `${what} No history is kept on disk: these are the ones that the relay still remembers.`;
    } catch (error) {
      if (left || mine !== asked) return;
      problem.textContent = error.message;
      problem.hidden = false;
      note.textContent = "";
    }
  }

  const chosen = () => {
    wanted.detector = detector.value;
    between.hidden = span.value !== "between";
    wanted.time = span.value === "between" ? "" : span.value;
    const read = (input) => (span.value === "between" && input.value ? String(Math.floor(new Date(input.value).getTime() / 1000)) : "");
    [wanted.from, wanted.until] = [read(from), read(until)];
    remember();
    load(false);
  };
  for (const one of [detector, span, from, until]) one.addEventListener("change", chosen);
  input.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => {
      wanted.match = input.value.trim();
      remember();
      load(false);
    }, 200);
  });
  more.addEventListener("click", () => load(true));
  const onChanged = () => load(false);
  window.addEventListener("relay-changed", onChanged);
  const ticking = setInterval(() => [...rows.children].forEach(tickRow), 5000);
  take(place);
  load(false);

  return {
    again(place) {
      take(place);
      load(false);
    },
    leave() {
      left = true;
      clearTimeout(typing);
      clearInterval(ticking);
      window.removeEventListener("relay-changed", onChanged);
    },
  };
}
