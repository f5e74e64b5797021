// One series: its window as a graph, what its detectors think of it and why, and what can be done about it.

import { acknowledge, floorText, lowerFloor, notAnAnomaly, silence, unacknowledge } from "./actions.js";
import { ask, Refused, seriesPath } from "./api.js";
import { Chart } from "./chart.js";
import { h, replace } from "./dom.js";
import { ago, apart, bytes, clock, count, day, duration, literal, number, percent, time, zone } from "./format.js";
import { follow } from "./live.js";
import { votes } from "./votes.js";

export const title = ({ path }) => path[1];
export const keys = [
  ["0", "see the whole window", () => document.querySelector('[data-range="all"]')?.click()],
  ["n", "not an anomaly", () => document.querySelector('[data-action="feedback"]')?.click()],
];

const AGAIN_MS = 10000;
const POINTS = 1400;
const ANOMALIES = 8; // more are shown when somebody asks
const RANGES = [["1h", 3600], ["6h", 21600], ["24h", 86400]];

const STATES = {
  analysed: ["analysed", "good"],
  warming_up: ["being learnt", "wait"],
  too_short: ["too few samples", "wait"],
  boring: ["unchanging", "none"],
  unwatched: ["not watched", "none"],
  paused: ["paused", "bad"],
};

// A word for the state of a series, and what is odd about its times.
export function stateOf(series) {
  const [text, kind] = STATES[series.state] || [series.state, "none"];
  return h("span", { class: `pill state-${kind}`, title: series.reason }, text);
}

// What is wrong with the clock of whoever sends it, if anything is.
export function clockOf(series) {
  if (!series.last) return null;
  const apart = series.received - series.last[0];
  const late = apart > 600 && Date.now() / 1000 - series.received < 600;
  if (late) return `its newest sample is ${duration(apart)} older than its newest line: lines come late, or with old times, and late ones are not analysed`;
  if (apart < -60) return `its newest sample is ${duration(-apart)} ahead of the relay's clock`;
  return null;
}

// The nodes of a name, each leading to all below it.
function crumbs(name) {
  const dotted = name.includes(";") ? name.slice(0, name.indexOf(";")) : name;
  const parts = [];
  let begin = 0;
  for (let end = dotted.indexOf("."); end >= 0; end = dotted.indexOf(".", begin)) {
    const below = literal(name.slice(0, end)) + ".**";
    parts.push(h("a", { href: "#/series?match=" + encodeURIComponent(below), title: "all series below" }, name.slice(begin, end)), h("span", { class: "dot" }, "."));
    begin = end + 1;
  }
  parts.push(h("span", {}, name.slice(begin)));
  return parts;
}

function graphLink(template, name, from, until) {
  const values = { series: name, from: Math.floor(from), until: Math.ceil(until) };
  const address = template.replace(/\{(series|from|until)\}/g, (_, key) => encodeURIComponent(values[key]));
  return h("a", { class: "button", href: address, target: "_blank", rel: "noopener noreferrer" }, "Open in Graphite");
}

function fact(name, value, hint) {
  return h("div", { class: "card-fact", title: hint }, h("dt", {}, name), h("dd", {}, value));
}

function range(lower, upper) {
  if (lower === null && upper === null) return "anything";
  if (lower === null) return `up to ${number(upper)}`;
  if (upper === null) return `from ${number(lower)}`;
  return `${number(lower)} to ${number(upper)}`;
}

function usualThen({ lower = null, upper = null }) {
  return lower === null && upper === null ? "" : `usual would have been ${range(lower, upper)}, `;
}

// What a detector expects of the time ahead, as a band.
function aheadOf(detectors) {
  const one = detectors.find(({ outlook }) => outlook && outlook.ahead);
  if (!one) return null;
  const column = (place) => one.outlook.ahead.map((row) => row[place]);
  return { times: column(0), expected: column(1), lower: column(2), upper: column(3) };
}

const SEASONS = { none: "its long-run mean", day: "the time of the day", week: "the time of the week" };

function belief(one) {
  const errors = [["mean", one.error_mean], ["day", one.error_day], ["week", one.error_week]].filter(([, error]) => error !== null);
  return h(
    "dl",
    {},
    fact("Expects", [h("b", {}, number(one.expected)), ` by ${SEASONS[one.season] || one.season}`]),
    fact("Usual now", range(one.lower, one.upper), "what would not be told of, after usual samples"),
    fact("Level", `${number(one.mean)} ± ${number(one.deviation)}`, "long-run mean and deviation"),
    fact("Of late", `${number(Math.abs(one.apart))} ${one.apart < 0 ? "below" : "above"} what was expected`, "the last 24 samples on average"),
    fact("History", `${count(one.samples)} samples in ${duration(one.age_s)}`),
    one.interval_s !== undefined && fact("Pace", `a sample every ${duration(one.interval_s)}`),
    errors.length > 0 && fact("Errors", errors.map(([name, error]) => `${name} ${number(error)}`).join(", "), "mean error of predictions by the mean, the time of the day and of the week: what has proved itself is used"),
    fact("Next spike", `told from a score of ${number(one.spike_bar)} on`),
  );
}

function detector(one, answer) {
  const is = (other) => other.detector === one.detector;
  const floor = (answer.floors || []).find(is);
  const now = (answer.latest || []).find(is);
  const believed = (answer.beliefs || []).find(is);
  const cast = now && votes(now);
  return h(
    "section",
    { class: cast ? "card wide" : "card" },
    h("h3", {}, one.detector, " ", h("span", { class: `pill state-${one.anomalous ? "bad" : (STATES[one.state] || ["", "none"])[1]}` }, one.anomalous ? "anomalous" : (STATES[one.state] || [one.state])[0])),
    h("p", { class: "note" }, one.reason, one.heard ? "" : "; tells only other detectors"),
    floor && h("p", { class: "note" }, `"Not an anomaly": ${floorText(floor.floor || floor)} `, h("button", { class: "small", type: "button", onclick: () => lowerFloor(answer.series, one.detector) }, "Take back")),
    believed && [h("h4", {}, "What it believes"), belief(believed)],
    one.outlook && h("p", {}, one.outlook.text, h("span", { class: "note" }, ` (at ${percent(one.outlook.confidence)} confidence)`)),
    now && h("p", { class: "note" }, `Of the newest sample ${now.by === "replay" ? "a fresh copy that was shown this window alone" : "it"} says: ${now.reason || "nothing"}`),
    cast,
  );
}

export function show(main, place) {
  const name = place.path[1];
  let [from, until] = [null, null];
  let [left, timer, loadedAt, asked] = [false, 0, 0, 0];
  let answer = null;
  let chosen = null;
  let graphUrl = null;
  const openAnomalies = new Set();
  let showsAll = false;

  const chart = new Chart({
    onzoom: (begin, end) => zoom(begin, end),
    onanomaly: (anomaly) => {
      openAnomalies.add(anomaly.id);
      drawAnomalies();
      const box = document.getElementById("anomaly-" + anomaly.id);
      if (box) {
        box.scrollIntoView({ block: "center" });
        box.querySelector("summary").focus();
      }
    },
  });
  const state = h("div", { class: "states" });
  const buttons = h("div", { class: "buttons" });
  const problem = h("div", { class: "empty", hidden: true, role: "alert" });
  const ranges = h("div", { class: "segmented", role: "group", "aria-label": "Time" });
  const bands = h("div", { class: "segmented", role: "group", "aria-label": "Detector whose band is shown" });
  const legend = h("p", { class: "note legend" });
  const shownRange = h("span", { class: "note shown-range" });
  const anomalies = h("section", { class: "anomalies" });
  const cards = h("div", { class: "cards" });
  const body = h("div", {}, h("div", { class: "chart-bar" }, ranges, shownRange, bands), chart.element, legend, anomalies, cards);
  replace(
    main,
    h("div", { class: "head" }, h("h1", { class: "name crumbs" }, crumbs(name)), h("button", { class: "quiet small", type: "button", onclick: copy }, "Copy name")),
    h("div", { class: "head second" }, state, buttons),
    problem,
    body,
  );

  async function copy(event) {
    try {
      await navigator.clipboard.writeText(name);
      event.target.textContent = "Copied";
    } catch {
      event.target.textContent = "Not allowed";
    }
    setTimeout(() => (event.target.textContent = "Copy name"), 2000);
  }

  function take(place) {
    const read = (key) => {
      const value = Number(place.parameters.get(key));
      return place.parameters.has(key) && Number.isFinite(value) ? Math.round(value) : null;
    };
    [from, until] = [read("from"), read("until")];
    if (from !== null && until !== null && from >= until) [from, until] = [null, null];
    chosen = place.parameters.get("by") || chosen;
  }

  function zoom(begin, end) {
    const window = answer && answer.window;
    if (begin !== null && window && window.from !== undefined) {
      const span = Math.max(10, end - begin);
      begin = Math.max(window.from, begin);
      end = Math.min(window.until, Math.max(end, begin + span));
      if (end - begin < 10) begin = end - 10;
      if (begin <= window.from && end >= window.until) [begin, end] = [null, null];
    }
    [from, until] = [begin, end];
    remember();
    load();
  }

  function remember() {
    const query = new URLSearchParams();
    if (from !== null) query.set("from", from);
    if (until !== null) query.set("until", until);
    if (chosen) query.set("by", chosen);
    const text = query.toString();
    history.replaceState(null, "", "#/series/" + encodeURIComponent(name) + (text ? "?" + text : ""));
  }

  async function load() {
    clearTimeout(timer);
    timer = 0;
    const mine = (asked += 1);
    try {
      const got = await ask(seriesPath(name), { from, until, points: POINTS, view: true });
      if (left || mine !== asked) return;
      answer = got;
      problem.hidden = true;
      body.hidden = false;
      draw();
    } catch (error) {
      if (left || mine !== asked) return;
      problem.hidden = false;
      body.hidden = answer === null;
      const unknown = error instanceof Refused && error.status === 404;
      replace(
        problem,
        h("h2", {}, unknown ? "The relay knows no series of this name" : error.message),
        unknown && h("p", {}, error.message),
        unknown && h("p", {}, "It has never come, it has been silent for too long, or there was no room for it when it came: ", h("a", { href: "#/relay" }, "the Relay view"), " counts lines by the reasons why they were not analysed."),
        unknown && h("p", {}, h("a", { href: "#/series?match=" + encodeURIComponent(`**${literal(name.split(".").pop())}`) }, "Look for names that end alike")),
      );
    } finally {
      loadedAt = Date.now();
    }
  }

  function draw() {
    const { window } = answer;
    const all = answer.anomalies;
    const open = all.filter((anomaly) => anomaly.state === "open");
    const odd = clockOf(answer);
    replace(
      state,
      stateOf(answer),
      h("span", { class: "note" }, answer.reason),
      answer.last && h("span", { class: "note" }, "newest: ", h("b", {}, number(answer.last[1])), `, ${ago(answer.last[0])}`),
      odd && h("span", { class: "pill state-bad" }, odd),
    );
    const latest = open[0] || all[0];
    replace(
      buttons,
      open[0] && h("button", { type: "button", "data-action": "acknowledge", onclick: () => (open[0].acknowledged ? unacknowledge : acknowledge)(open[0]) }, open[0].acknowledged ? "Take acknowledgement back" : "Acknowledge"),
      h("button", { type: "button", "data-action": "silence", onclick: () => silence({ patterns: [literal(name)] }) }, "Silence"),
      latest && h("button", { type: "button", "data-action": "feedback", onclick: () => notAnAnomaly(latest) }, "Not an anomaly"),
      graphUrl && graphLink(graphUrl, name, from || window.from || Date.now() / 1000 - 86400, until || window.until || Date.now() / 1000),
    );
    drawChart();
    drawAnomalies();
    replace(
      cards,
      answer.detectors.map((one) => detector(one, answer)),
      answer.memory && h("section", { class: "card" }, h("h3", {}, "Window"), h("dl", {}, fact("Samples", count(answer.samples)), window.from !== undefined && fact("From", time(window.from)), window.until !== undefined && fact("Until", time(window.until)), fact("Last line", ago(answer.received)), fact("Memory", `${bytes(answer.memory.total)}, of which ${bytes(answer.memory.sealed + answer.memory.open)} are samples`))),
    );
  }

  function drawChart() {
    const { window, points } = answer;
    const choices = answer.bands || [];
    if (!choices.some((band) => band.detector === chosen)) chosen = null;
    const band = choices.find((band) => band.detector === chosen) || choices[0] || null;
    replace(bands, choices.length > 1 && choices.map((one) => h("button", { type: "button", "aria-pressed": String(one === band), onclick: () => pick(one.detector) }, one.detector)));
    const [first, last] = [from !== null ? from : window.from, until !== null ? until : window.until];
    const span = window.until - window.from;
    replace(
      ranges,
      RANGES.filter(([, seconds]) => seconds < span * 0.95).map(([text, seconds]) => h("button", { type: "button", "aria-pressed": String(from !== null && until >= window.until - 60 && Math.abs(until - from - seconds) < 60), onclick: () => zoom(window.until - seconds, window.until) }, text)),
      h("button", { type: "button", "data-range": "all", "aria-pressed": String(from === null), onclick: () => zoom(null, null) }, "all"),
    );
    shownRange.textContent = first === undefined ? "" : `${time(first)} to ${day(first) === day(last) ? clock(last) : time(last)}, ${zone}`;
    if (points.length === 0) {
      legend.textContent = window.from === undefined ? "There are no samples in its window." : "There are no samples between these times.";
    } else {
      replace(
        legend,
        band && [
          h("span", {}, h("span", { class: "key key-band" }), band.by === "belief" ? `what ${band.detector} would take for usual at each time, by what it knows now` : `what a fresh copy of ${band.detector} takes for usual that was shown this window alone`),
          h("span", {}, h("span", { class: "key key-expected" }), "expected"),
        ],
        h("span", {}, h("span", { class: "key key-span" }), "anomalous"),
        window.thinned && h("span", {}, `of ${count(window.samples)} samples the lowest and the highest of each ${duration(Math.max(1, (last - first) / (POINTS / 2)))} are drawn`),
        h("span", {}, "drag to zoom, double click for all"),
      );
    }
    // What is to come has a sixth of the whole at most.
    const ahead = until === null ? aheadOf(answer.detectors) : null;
    const end = ahead ? Math.min(ahead.times[ahead.times.length - 1], last + (last - first) / 5) : last;
    chart.show({
      points,
      band,
      anomalies: answer.anomalies.filter((anomaly) => (anomaly.closed_at === undefined || anomaly.closed_at >= first) && anomaly.opened_at <= last),
      ahead,
      from: first === undefined ? 0 : first,
      until: last === undefined ? 1 : end,
      newest: last,
      label: `${name}: ${count(window.samples)} samples, ${answer.anomalies.length} anomalies`,
    });
  }

  function pick(detector) {
    chosen = detector;
    remember();
    drawChart();
  }

  function drawAnomalies() {
    const all = answer.anomalies;
    const focused = document.activeElement && document.activeElement.closest("details[data-id]");
    const shown = all.filter((anomaly, place) => showsAll || place < ANOMALIES || anomaly.state === "open" || openAnomalies.has(anomaly.id));
    const showAll = () => {
      showsAll = true;
      drawAnomalies();
    };
    const one = (anomaly) => {
      const isOpen = anomaly.state === "open";
      const box = h(
        "details",
        { id: "anomaly-" + anomaly.id, "data-id": anomaly.id, class: `anomaly sev-${anomaly.severity || "warning"}${isOpen ? "" : " is-over"}`, open: openAnomalies.has(anomaly.id) },
        h(
          "summary",
          { "data-row": true },
          h("span", { class: `pill ${isOpen ? "state-bad" : "state-none"}` }, isOpen ? "open" : "over"),
          h("span", { class: "when" }, isOpen ? `since ${time(anomaly.opened_at)}, ${ago(anomaly.opened_at)}` : `${time(anomaly.opened_at)}, for ${duration(anomaly.closed_at - anomaly.opened_at)}`),
          h("span", {}, h("b", {}, number(anomaly.value)), anomaly.expected === undefined ? "" : `, ${apart(anomaly.value, anomaly.expected)} (${number(anomaly.expected)})`),
          h("span", { class: "pill" }, anomaly.detector),
          anomaly.severity && h("span", { class: "pill sev" }, anomaly.severity),
          (anomaly.silenced || []).length > 0 && h("span", { class: "pill quieted" }, "silenced"),
          anomaly.acknowledged && h("span", { class: "pill quieted" }, `acknowledged by ${anomaly.acknowledged.author || "somebody"}`),
        ),
        h("p", {}, anomaly.reason),
        h("p", { class: "note" }, `score ${number(anomaly.score)} (an anomaly begins at 1), ${usualThen(anomaly)}rank ${anomaly.rank}`, anomaly.group ? [", ", h("a", { href: "#/now" }, `in group ${anomaly.group}`)] : ""),
        votes(anomaly),
        h(
          "div",
          { class: "buttons" },
          h("button", { class: "small", type: "button", onclick: () => zoom(anomaly.opened_at - 900, (anomaly.closed_at || anomaly.opened_at) + 900) }, "Zoom to it"),
          h("button", { class: "small", type: "button", onclick: () => notAnAnomaly(anomaly) }, "Not an anomaly"),
          isOpen && h("button", { class: "small", type: "button", onclick: () => (anomaly.acknowledged ? unacknowledge : acknowledge)(anomaly) }, anomaly.acknowledged ? "Take acknowledgement back" : "Acknowledge"),
        ),
      );
      box.addEventListener("toggle", () => (box.open ? openAnomalies.add(anomaly.id) : openAnomalies.delete(anomaly.id)));
      return box;
    };
    replace(anomalies, h("h2", {}, all.length === 0 ? "No anomaly is remembered" : all.length === 1 ? "1 anomaly" : `${count(all.length)} anomalies`), all.length > 0 && h("div", { class: "boxes" }, shown.map(one)), shown.length < all.length && h("p", { class: "more" }, h("button", { type: "button", onclick: showAll }, `Show all ${count(all.length)}`)));
    if (focused) document.querySelector(`details[data-id="${CSS.escape(focused.dataset.id)}"] summary`)?.focus({ preventScroll: true });
  }

  const soon = () => {
    if (!timer && !left) timer = setTimeout(load, Math.max(150, loadedAt + 1000 - Date.now()));
  };
  const unfollow = follow((kind, data) => {
    if (kind === "back" || kind === "missed" || (data && data.series === name)) soon();
  });
  const again = setInterval(() => {
    // Whoever reads votes, or looks at a part, is not to be disturbed.
    if (!document.hidden && Date.now() - loadedAt > AGAIN_MS && !document.querySelector("dialog[open]")) load();
  }, 1000);
  window.addEventListener("relay-changed", soon);
  ask("relay").then((relay) => {
    graphUrl = relay.graph_url || null;
    if (answer && !left) draw();
  }, () => {});
  take(place);
  load();

  return {
    again(place) {
      take(place);
      load();
    },
    leave() {
      left = true;
      clearTimeout(timer);
      clearInterval(again);
      unfollow();
      window.removeEventListener("relay-changed", soon);
      chart.leave();
    },
  };
}
