// What is wrong now: groups first, then single anomalies, those that matter most on top.
//
// What is shown is what the relay answers; an event only says that it is worth asking again. So nothing piles up here,
// however many events come.

import { ask } from "./api.js";
import { acknowledge, silence, unacknowledge } from "./actions.js";
import { h, reconcile, replace } from "./dom.js";
import { ago, apart, count, duration, literal, number, pattern, time } from "./format.js";
import { follow } from "./live.js";
import { markSince, sparkline } from "./sparkline.js";

export const title = () => "Now";
export const keys = [];

const REASON = 140; // Characters of a reason in a row; all of it is told by the pointer, and in the view of the series.
const MEMBERS = 10; // Of an open group. All of them are behind a link.
const FIRST = 60;
const MOST = 480;
const PAUSE_MS = 1000;
const AGAIN_MS = 15000;

export function severity(verdict) {
  return verdict.severity || "warning";
}

// A link to a series, at the time of an anomaly.
export function seriesLink(name, attributes = {}) {
  return h("a", { class: "name", href: "#/series/" + encodeURIComponent(name), title: name.length > 80 ? name : null, ...attributes }, name);
}

function valueLine(anomaly) {
  const words = apart(anomaly.value, anomaly.expected);
  const parts = [h("b", {}, number(anomaly.value))];
  if (anomaly.expected !== undefined) parts.push(", ", words, ` (${number(anomaly.expected)})`);
  else parts.push(": ", anomaly.reason.length > REASON ? anomaly.reason.slice(0, REASON) + " …" : anomaly.reason);
  return parts;
}

function badges(anomaly) {
  return [
    (anomaly.silenced || []).length > 0 && h("span", { class: "pill quieted", title: "a silence holds for it" }, "silenced"),
    anomaly.acknowledged && h("span", { class: "pill quieted", title: anomaly.acknowledged.reason || "" }, `acknowledged by ${anomaly.acknowledged.author || "somebody"}`),
  ];
}

export const isQuiet = (anomaly) => (anomaly.silenced || []).length > 0 || Boolean(anomaly.acknowledged);

// One for each series: what several detectors have told of is shown with the one that matters most.
function bySeries(anomalies) {
  const first = new Map();
  for (const anomaly of anomalies) {
    const before = first.get(anomaly.series);
    if (before) before.others.push(anomaly);
    else first.set(anomaly.series, { ...anomaly, others: [] });
  }
  return [...first.values()];
}

// How long what is over has lasted; a relay that was killed has not seen the end of what was open.
function ended({ opened_at, closed_at }) {
  if (closed_at === undefined) return h("span", { class: "pill", title: "the relay ended before it did" }, "end not seen");
  return h("span", { class: "pill" }, `for ${duration(closed_at - opened_at)}`);
}

// A row for one anomaly, to be kept up to date by `update`.
export function makeRow(anomaly) {
  const parts = {
    name: seriesLink(anomaly.series, { "data-action": "open" }),
    what: h("div", { class: "what" }),
    spark: sparkline(anomaly.series, anomaly.opened_at),
    since: h("span", { class: "since" }),
    rank: h("span", { class: "rank", title: "rank: how rarely the series has an anomaly, its score and severity" }),
    acknowledge: h("button", { type: "button", class: "small", "data-action": "acknowledge" }, "Acknowledge"),
    silence: h("button", { type: "button", class: "small", "data-action": "silence" }, "Silence"),
  };
  const row = h(
    "div",
    { class: "row", tabindex: "0", "data-row": true, role: "listitem" },
    h("div", { class: "row-main" }, parts.name, parts.what),
    parts.spark,
    h("div", { class: "row-side" }, parts.since, parts.rank),
    h("div", { class: "row-actions" }, parts.acknowledge, parts.silence),
  );
  row.parts = parts;
  parts.acknowledge.addEventListener("click", () => (row.anomaly.acknowledged ? unacknowledge : acknowledge)(row.anomaly, row.anomaly.others));
  parts.silence.addEventListener("click", () => silence({ patterns: [literal(row.anomaly.series)] }));
  row.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.target === row) parts.name.click();
  });
  updateRow(row, anomaly);
  return row;
}

export function updateRow(row, anomaly) {
  const { parts } = row;
  const text = JSON.stringify(anomaly);
  if (row.text !== text) {
    row.text = text;
    row.anomaly = anomaly;
    row.className = `row sev-${severity(anomaly)}${isQuiet(anomaly) ? " is-quiet" : ""}${anomaly.state === "closed" ? " is-over" : ""}`;
    const isOver = anomaly.state === "closed";
    const around = isOver ? `?from=${anomaly.opened_at - 1800}&until=${(anomaly.closed_at ?? anomaly.opened_at) + 1800}` : "";
    parts.name.href = "#/series/" + encodeURIComponent(anomaly.series) + around;
    parts.acknowledge.hidden = isOver;
    replace(parts.what, h("span", { class: "value" }, valueLine(anomaly)), " ", h("span", { class: "pill" }, anomaly.detector), (anomaly.others || []).map((other) => h("span", { class: "pill", title: other.reason }, other.detector)), anomaly.severity && h("span", { class: "pill sev" }, anomaly.severity), isOver && ended(anomaly), badges(anomaly));
    parts.what.title = anomaly.reason;
    parts.rank.textContent = anomaly.rank.toFixed(1);
    parts.since.title = `since ${time(anomaly.opened_at)}`;
    parts.acknowledge.textContent = anomaly.acknowledged ? "Take back" : "Acknowledge";
    markSince(parts.spark, anomaly.opened_at);
  }
  tickRow(row);
}

export function tickRow(row) {
  const { anomaly, parts } = row;
  const text = anomaly.state === "closed" ? time(anomaly.opened_at).slice(5) : ago(anomaly.opened_at);
  if (parts.since.textContent !== text) parts.since.textContent = text;
}

function makeGroup(group) {
  const list = h("div", { class: "rows members", role: "list" });
  const parts = {
    place: h("span", { class: "name" }),
    what: h("div", { class: "what" }),
    spark: group.series.length > 0 ? sparkline(group.series[0].series, group.since) : h("span", { class: "sparkline" }),
    since: h("span", { class: "since" }),
    rank: h("span", { class: "rank", title: "rank: how unlikely by chance, and what its members weigh" }),
    silence: h("button", { type: "button", class: "small", "data-action": "silence" }, "Silence"),
    list,
  };
  const open = h("summary", { "data-action": "open" }, h("span", { class: "row-main" }, parts.place, parts.what), parts.spark, h("span", { class: "row-side" }, parts.since, parts.rank));
  const details = h("details", {}, open, list);
  const box = h("div", { class: "row group", tabindex: "0", "data-row": true, role: "listitem" }, details, h("div", { class: "row-actions" }, parts.silence));
  box.parts = parts;
  box.details = details;
  parts.silence.addEventListener("click", () => silence({ patterns: [box.group.place] }));
  details.addEventListener("toggle", () => {
    if (details.open) loadMembers(box);
    else replace(list);
  });
  box.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.target === box) details.open = !details.open;
  });
  updateGroup(box, group);
  return box;
}

function updateGroup(box, group) {
  const { parts } = box;
  const text = JSON.stringify(group);
  if (box.text !== text) {
    box.text = text;
    box.group = group;
    parts.place.textContent = group.place;
    const first = group.series.slice(0, 3).map((member) => member.series);
    const more = group.members - first.length;
    replace(
      parts.what,
      h("span", { class: "value" }, h("b", {}, `${count(group.members_open)} of ${count(group.members)}`), " series still anomalous"),
      h("span", { class: "firsts" }, first.join(", "), more > 0 ? ` and ${count(more)} more` : ""),
    );
    parts.rank.textContent = group.rank.toFixed(1);
    parts.since.title = `since ${time(group.since)}`;
    if (box.details.open) loadMembers(box);
  }
  const since = ago(group.since);
  if (parts.since.textContent !== since) parts.since.textContent = since;
}

async function loadMembers(box) {
  const { list } = box.parts;
  try {
    const { anomalies, total } = await ask("anomalies", { group: box.group.id, order: "rank", limit: MEMBERS, brief: true });
    if (!box.details.open) return;
    for (const note of list.querySelectorAll(".note")) note.remove();
    reconcile(list, bySeries(anomalies), (anomaly) => anomaly.id, makeRow, updateRow);
    if (total > anomalies.length) {
      list.append(h("p", { class: "note" }, h("a", { href: "#/now?match=" + encodeURIComponent(box.group.place) }, `All ${count(total)} anomalies at this place`)));
    }
  } catch (error) {
    replace(list, h("p", { class: "note bad" }, error.message));
  }
}

// Why nothing is shown, in the words of whoever has to find out.
function whyEmpty(relay, filter) {
  if (filter) return { head: "Nothing that matches is anomalous", lines: [] };
  const { lines, series } = relay;
  const { states } = series;
  if (!states) return { head: "The analysis is behind", lines: [`${count(relay.analysis.queued_lines)} lines wait for it, and nothing is known of the series yet.`] };
  const judged = states.analysed + states.boring;
  const learning = states.warming_up + states.too_short;
  const text = [];
  if (lines.received === 0) {
    return { head: "No line has arrived yet", lines: ["Point collectd, statsd or whatever sends to carbon at this relay. The Relay view shows each line as it is counted."] };
  }
  if (series.total === 0) {
    return { head: "Lines arrive, and none of them makes a series", lines: [`${count(lines.received)} lines have been received. The Relay view says for which reasons they are not analysed.`] };
  }
  if (judged > 0) text.push(`${count(judged)} of ${count(series.total)} series are judged at every sample.`);
  if (learning > 0) text.push(`${count(learning)} series are still being learnt, and nothing is told of them yet. All series shows how far each one is.`);
  if (states.unwatched > 0) text.push(`${count(states.unwatched)} series have no detector: no [[watch]] gives them one.`);
  if (states.paused > 0) text.push(`${count(states.paused)} series are paused, because a detector has failed over them.`);
  const lost = lines.not_analysed;
  if (lost.shed > 0) text.push(`${count(lost.shed)} lines were not looked at, because the analysis was behind.`);
  const over = (lost.over_max_series || 0) + (lost.over_max_memory || 0);
  if (over > 0) text.push(`${count(over)} lines were of series for which there was no room.`);
  return { head: judged > 0 ? "All is as usual" : "Nothing can be anomalous yet", lines: text, good: judged > 0 };
}

function strip(relay) {
  const { series, lines } = relay;
  const states = series.states || { warming_up: 0, too_short: 0 };
  const item = (value, text, href) => h(href ? "a" : "span", { class: "fact", href }, h("b", {}, value), " ", text);
  const lost = lines.not_analysed.shed || 0;
  return [
    item(count(states.analysed), "series analysed", "#/series?state=analysed"),
    states.warming_up + states.too_short > 0 && item(count(states.warming_up + states.too_short), "being learnt", "#/series?state=warming_up"),
    states.boring > 0 && item(count(states.boring), "unchanging", "#/series?state=boring"),
    states.unwatched > 0 && item(count(states.unwatched), "not watched", "#/series?state=unwatched"),
    states.paused > 0 && item(count(states.paused), "paused", "#/series?state=paused"),
    lost > 0 && item(count(lost), "lines shed", "#/relay"),
    relay.upstreams.some((upstream) => !upstream.connected) && h("a", { class: "fact bad", href: "#/relay" }, "an upstream is away"),
  ];
}

export function show(main, place) {
  let filter = place.parameters.get("match") || "";
  let withQuiet = place.parameters.get("quiet") !== "hide";
  let limit = FIRST;
  let [timer, busy, again, left] = [0, false, false, false];
  let [loadedAt, took] = [0, 0];
  let relayAt = 0;
  let relay = null;
  let hasOpened = false;

  const input = h("input", { type: "search", "data-filter": true, placeholder: "filter: a part of a name, or a pattern", "aria-label": "Filter", value: filter, spellcheck: "false", autocomplete: "off" });
  const quiet = h("input", { type: "checkbox", id: "quiet", checked: withQuiet });
  const facts = h("div", { class: "facts" });
  const problem = h("p", { class: "note bad", role: "alert", hidden: true });
  const empty = h("div", { class: "empty", hidden: true });
  const groupHead = h("h2", {});
  const groupRows = h("div", { class: "rows", role: "list", "aria-label": "Groups" });
  const groups = h("section", { hidden: true }, groupHead, groupRows);
  const singleHead = h("h2", {});
  const singleRows = h("div", { class: "rows", role: "list", "aria-label": "Anomalies" });
  const more = h("button", { type: "button", hidden: true }, "Show more");
  const singles = h("section", { hidden: true }, singleHead, singleRows, h("p", { class: "more" }, more));
  const loading = h("p", { class: "note" }, "Asking the relay …");
  replace(
    main,
    h("div", { class: "head" }, h("h1", {}, "What is wrong now"), h("form", { class: "filters", onsubmit: (event) => event.preventDefault() }, input, h("label", { class: "check", for: "quiet" }, quiet, " silenced and acknowledged"))),
    facts,
    problem,
    loading,
    empty,
    groups,
    singles,
  );

  function remember() {
    const query = new URLSearchParams();
    if (filter) query.set("match", filter);
    if (!withQuiet) query.set("quiet", "hide");
    const text = query.toString();
    history.replaceState(null, "", "#/now" + (text ? "?" + text : ""));
  }

  async function load() {
    clearTimeout(timer);
    timer = 0;
    if (left) return;
    if (busy) {
      again = true;
      return;
    }
    busy = true;
    const began = performance.now();
    try {
      const wanted = { order: "rank", limit, brief: true };
      if (filter) wanted.match = pattern(filter);
      else wanted.grouped = false;
      const askRelay = Date.now() - relayAt > 5000 || !relay;
      const [found, of, how] = await Promise.all([
        ask("anomalies", wanted),
        filter ? { groups: [], total: 0 } : ask("groups", { limit: 50, members: 3 }),
        askRelay ? ask("relay") : relay,
      ]);
      if (left) return;
      if (askRelay) relayAt = Date.now();
      relay = how;
      problem.hidden = true;
      draw(found, of);
    } catch (error) {
      if (left) return;
      problem.textContent = error.message;
      problem.hidden = false;
    } finally {
      busy = false;
      loading.hidden = true;
      took = performance.now() - began;
      loadedAt = Date.now();
      if (again) {
        again = false;
        soon();
      }
    }
  }

  function draw(found, of) {
    replace(facts, strip(relay));
    const shown = bySeries(found.anomalies.filter((anomaly) => withQuiet || !isQuiet(anomaly)));
    // What somebody has seen to already comes last.
    shown.sort((one, other) => Number(isQuiet(one)) - Number(isQuiet(other)));
    groups.hidden = of.groups.length === 0;
    groupHead.textContent = of.total === 1 ? "1 group" : `${count(of.total)} groups`;
    reconcile(groupRows, of.groups, (group) => group.id, makeGroup, updateGroup);
    // What matters most shows its members unasked, once: whoever closes it is not to fight with the page.
    if (!hasOpened && of.groups.length > 0) {
      hasOpened = true;
      groupRows.firstElementChild.details.open = true;
    }
    singles.hidden = shown.length === 0;
    const what = filter ? ["anomaly that matches", "anomalies that match"] : of.total > 0 ? ["single anomaly", "single anomalies"] : ["anomaly", "anomalies"];
    singleHead.textContent = `${count(found.total)} ${what[found.total === 1 ? 0 : 1]}`;
    reconcile(singleRows, shown, (anomaly) => anomaly.id, makeRow, updateRow);
    more.hidden = found.total <= found.anomalies.length;
    more.disabled = limit >= MOST;
    more.textContent = limit >= MOST ? `The first ${count(MOST)} are shown: filter to see others` : "Show more";
    empty.hidden = of.groups.length > 0 || shown.length > 0;
    if (!empty.hidden) {
      const why = whyEmpty(relay, filter);
      if (found.total > 0) why.lines.push(`${count(found.total)} anomalies are silenced or acknowledged, and not shown.`);
      empty.classList.toggle("good", Boolean(why.good));
      replace(empty, h("h2", {}, why.head), why.lines.map((line) => h("p", {}, line)));
    }
    document.title = `${of.total + found.total > 0 ? `(${count(of.total || found.total)}) ` : ""}Now · skyrelay`;
  }

  // Asks again soon, and not more often than the relay answers with ease.
  function soon() {
    if (timer || left) return;
    const pause = Math.max(PAUSE_MS, 4 * took);
    timer = setTimeout(load, Math.max(100, loadedAt + pause - Date.now()));
  }

  const unfollow = follow((kind) => {
    if (kind === "back" || kind === "missed") relayAt = 0;
    if (!document.hidden) soon();
  });
  const ticking = setInterval(() => {
    if (document.hidden) return;
    for (const row of singleRows.children) tickRow(row);
    if (Date.now() - loadedAt > AGAIN_MS) load();
  }, 1000);
  const onVisible = () => !document.hidden && load();
  document.addEventListener("visibilitychange", onVisible);
  const onChanged = () => load();
  window.addEventListener("relay-changed", onChanged);
  let typing = 0;
  input.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => {
      filter = input.value.trim();
      limit = FIRST;
      remember();
      load();
    }, 200);
  });
  quiet.addEventListener("change", () => {
    withQuiet = quiet.checked;
    remember();
    load();
  });
  more.addEventListener("click", () => {
    limit = Math.min(MOST, limit * 2);
    load();
  });
  load();

  return {
    again(place) {
      filter = place.parameters.get("match") || "";
      withQuiet = place.parameters.get("quiet") !== "hide";
      input.value = filter;
      quiet.checked = withQuiet;
      load();
    },
    leave() {
      left = true;
      clearTimeout(timer);
      clearTimeout(typing);
      clearInterval(ticking);
      unfollow();
      document.removeEventListener("visibilitychange", onVisible);
      window.removeEventListener("relay-changed", onChanged);
    },
  };
}
