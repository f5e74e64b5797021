// What changes something: silences, acknowledgements, and "not an anomaly". Each is a dialog that says what it will do.

import { ask, change, isMissing } from "./api.js";
import { h, replace, toast } from "./dom.js";
import { count, number, time } from "./format.js";
import { show } from "./keys.js";

const TIMES = [["30m", "30 minutes"], ["1h", "1 hour"], ["2h", "2 hours"], ["8h", "8 hours"], ["1d", "1 day"], ["7d", "7 days"], ["30d", "30 days"]];

function kept(name) {
  try {
    return localStorage.getItem(name) || "";
  } catch {
    return "";
  }
}

function keep(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    // It is asked for again.
  }
}

// All views ask again for what they show.
export function changed() {
  window.dispatchEvent(new Event("relay-changed"));
}

export function explain(error) {
  return isMissing(error) ? "This relay does not have that part of the API." : error.message;
}

function field(label, input, hint) {
  return h("label", { class: "field" }, h("span", {}, label), input, hint && h("small", {}, hint));
}

const author = () => h("input", { name: "author", value: kept("author"), autocomplete: "name", maxlength: "200" });
const until = (chosen) => h("select", { name: "for" }, TIMES.map(([value, text]) => h("option", { value, selected: value === chosen }, text)));

// A dialog with a form; `submit(data)` does it, and what it throws is shown.
function form(title, button, fields, submit) {
  const problem = h("p", { class: "note bad", role: "alert", hidden: true });
  const go = h("button", { class: "primary" }, button);
  const box = h("form", { class: "dialog-form" }, fields, problem, h("div", { class: "dialog-foot" }, h("button", { type: "button", onclick: () => dialog.close() }, "Cancel"), go));
  const dialog = h("dialog", { "aria-label": title }, h("div", { class: "dialog-head" }, h("h2", {}, title), h("button", { class: "quiet", type: "button", "aria-label": "Close", onclick: () => dialog.close() }, "✕")), box);
  box.addEventListener("submit", async (event) => {
    event.preventDefault();
    const data = Object.fromEntries(new FormData(box));
    if (data.author) keep("author", data.author);
    go.disabled = true;
    problem.hidden = true;
    try {
      const said = await submit(data);
      dialog.close();
      toast(said);
      changed();
    } catch (error) {
      problem.textContent = explain(error);
      problem.hidden = false;
    } finally {
      go.disabled = false;
    }
  });
  show(dialog);
  return { dialog, box };
}

const words = (text) => text.split(/\s*\n\s*/).map((line) => line.trim()).filter((line) => line !== "");

export function silence({ patterns = [], detectors = [], lasts = "2h" } = {}) {
  const match = h("textarea", { name: "match", rows: String(Math.min(5, patterns.length + 1)), required: true, spellcheck: "false" }, patterns.join("\n"));
  const only = h("input", { name: "detectors", value: detectors.join(", "), spellcheck: "false" });
  const preview = h("div", { class: "preview", role: "status", "aria-live": "polite" });
  const body = (data) => {
    const names = (data.detectors || "").split(",").map((name) => name.trim()).filter((name) => name !== "");
    const asked = { match: words(data.match || ""), for: data.for };
    if (names.length > 0) asked.detectors = names;
    return asked;
  };
  const { box } = form(
    "Silence",
    "Silence it",
    [
      field("Series", match, "a pattern on each line: * stays within a node, ** does not"),
      field("Only by these detectors", only, "parted by commas; empty: by all"),
      field("For", until(lasts)),
      field("Reason", h("input", { name: "reason", required: true, maxlength: "1000" })),
      field("Your name", author()),
      preview,
    ],
    async (data) => {
      const made = await change("POST", "silences", { ...body(data), reason: data.reason, author: data.author });
      return `Silenced until ${time(made.until)}`;
    },
  );
  let timer = 0;
  let asked = 0;
  const look = async () => {
    const mine = (asked += 1);
    const data = body(Object.fromEntries(new FormData(box)));
    if (data.match.length === 0) {
      replace(preview);
      return;
    }
    try {
      const { series, anomalies, examples } = await change("POST", "silences/preview", data);
      if (mine !== asked) return;
      replace(preview, h("p", {}, series === 0 ? "No series matches now." : ["It holds for ", h("b", {}, `${count(series)} series`), " with ", h("b", {}, `${count(anomalies)} open ${anomalies === 1 ? "anomaly" : "anomalies"}`), "."]), h("ul", {}, (examples || []).slice(0, 5).map((name) => h("li", { class: "name" }, name))));
    } catch (error) {
      if (mine === asked) replace(preview, h("p", { class: "note" }, isMissing(error) ? "What it would hit cannot be shown by this relay." : error.message));
    }
  };
  box.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(look, 300);
  });
  look();
}

// Acknowledges an anomaly, and others of the same series.
export function acknowledge(anomaly, others = []) {
  form(
    "Acknowledge",
    "Acknowledge",
    [
      h("p", {}, "Others see that somebody is at it: ", h("span", { class: "name" }, anomaly.series), "."),
      field("What you know, or do", h("input", { name: "reason", maxlength: "1000" })),
      field("Your name", author()),
    ],
    async ({ author, reason }) => {
      for (const { id } of [anomaly, ...others]) await change("POST", `anomalies/${id}/acknowledge`, { author, reason });
      return "Acknowledged";
    },
  );
}

export async function unacknowledge(anomaly, others = []) {
  try {
    for (const { id, acknowledged } of [anomaly, ...others]) {
      if (acknowledged) await change("DELETE", `anomalies/${id}/acknowledge`);
    }
    toast("Taken back");
    changed();
  } catch (error) {
    toast(explain(error), true);
  }
}

export function notAnAnomaly(anomaly) {
  form(
    "Not an anomaly",
    "Raise the bar",
    [
      h("p", {}, "The like of it will not be told of ", h("span", { class: "name" }, anomaly.series), ` by ${anomaly.detector} until then. What is further out still is.`),
      field("For", until("7d")),
      field("Why it is none", h("input", { name: "reason", maxlength: "1000" })),
      field("Your name", author()),
    ],
    async (data) => {
      const { floor } = await change("POST", "feedback", { series: anomaly.series, detector: anomaly.detector, anomaly: anomaly.id, for: data.for, author: data.author, reason: data.reason });
      return `The bar is raised: ${floorText(floor)}`;
    },
  );
}

// What a raised bar says, in words.
export function floorText(floor) {
  const end = floor.until ? ` until ${time(floor.until)}` : "";
  const way = floor.direction || "away from";
  if (floor.deviation !== undefined) return `told only when more than ${number(floor.deviation)} ${way} what is expected${end}`;
  if (floor.score !== undefined) return `told only from a score of ${number(floor.score)} on${end}`;
  return `raised${end}`;
}

export async function lowerFloor(series, detector) {
  try {
    await ask("feedback", { series, detector }, { method: "DELETE" });
    toast("The bar is where it was");
    changed();
  } catch (error) {
    toast(explain(error), true);
  }
}

export async function endSilence(one) {
  try {
    await change("DELETE", "silences/" + encodeURIComponent(one.id));
    toast("The silence has ended");
    changed();
  } catch (error) {
    toast(explain(error), true);
  }
}
