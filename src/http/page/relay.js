// The relay itself: what comes in and goes out, what waits, what is lost and why, and by which configuration it goes.

import { ask } from "./api.js";
import { h, replace } from "./dom.js";
import { ago, bytes, count, duration, number, percent, time } from "./format.js";

export const title = () => "Relay";
export const keys = [];

const AGAIN_MS = 2000;

// Why a line was not analysed, or not forwarded, for people.
const REASONS = {
  empty: "nothing but white space",
  fields: "not three fields",
  value: "the value is no number",
  timestamp: "the timestamp is no number",
  nan: "a value of nan",
  infinite: "a value that is infinite",
  late: "older than the newest of its series",
  duplicate: "as old as the newest of its series",
  too_old: "older than limits.max_age",
  too_far_ahead: "further ahead than limits.max_ahead: a clock is wrong",
  name_too_long: "the name is too long",
  over_max_series: "a new series, beyond window.max_series",
  over_max_memory: "a new series, beyond analysis.max_memory",
  unwatched: "no [[watch]] gives it a detector",
  paused: "a detector has failed over its series",
  priming: "the first total of a counter",
  shed: "the analysis was behind",
  quarantined: "poison: carbon would hang up",
  not_utf8: "not UTF-8",
  too_long: "longer than listen.max_line",
  timestamp_not_finite: "a timestamp of nan or inf",
};

const STATES = { analysed: "analysed", warming_up: "being learnt", too_short: "too few samples", boring: "unchanging", unwatched: "not watched", paused: "paused" };

function fact(name, value, hint) {
  return h("div", { class: "card-fact", title: hint }, h("dt", {}, name), h("dd", {}, value));
}

function card(head, ...parts) {
  return h("section", { class: "card" }, h("h3", {}, head), parts);
}

function table(heads, rows) {
  return h(
    "div",
    { class: "scroll" },
    h("table", {}, h("thead", {}, h("tr", {}, heads.map(([text, kind]) => h("th", { class: kind }, text)))), h("tbody", {}, rows.map((cells) => h("tr", {}, cells.map((cell, place) => h("td", { class: heads[place][1] }, cell)))))),
  );
}

const shown = (counts) => Object.entries(counts).map(([reason, n]) => `${reason}: ${count(n)}`).join(", ");
const sum = (counts) => Object.values(counts).reduce((all, one) => all + one, 0);

function reasons(counts, all) {
  const rows = Object.entries(counts).sort(([, one], [, other]) => other - one);
  return rows.map(([reason, lines]) => [h("span", { title: reason }, REASONS[reason] || reason), count(lines), all > 0 ? percent(lines / all) : ""]);
}

export function show(main) {
  let [left, timer] = [false, 0];
  let before = null;
  let rates = null;
  const problem = h("p", { class: "note bad", role: "alert", hidden: true });
  const line = h("p", { class: "note" }, "Asking the relay …");
  const cards = h("div", { class: "cards" });
  const configHead = h("h2", {}, "Configuration in force");
  const config = h("section", {});
  replace(main, h("div", { class: "head" }, h("h1", {}, "The relay")), problem, line, cards, configHead, config);

  const rate = (now, was, seconds) => (seconds > 0 ? Math.max(0, (now - was) / seconds) : 0);
  const perSecond = (value) => (value === undefined ? "…" : `${value >= 10 ? count(value) : number(Math.round(value * 10) / 10)}/s`);

  async function load() {
    clearTimeout(timer);
    try {
      const now = await ask("relay");
      if (left) return;
      const at = performance.now() / 1000;
      if (before) {
        const seconds = at - before.at;
        rates = {
          received: rate(now.lines.received, before.lines.received, seconds),
          analysed: rate(now.lines.analysed, before.lines.analysed, seconds),
          cpu: rate(now.cpu_seconds, before.cpu_seconds, seconds),
          forwarded: new Map(now.upstreams.map((upstream) => {
            const was = before.upstreams.find((one) => one.name === upstream.name);
            return [upstream.name, was ? rate(upstream.forwarded, was.forwarded, seconds) : undefined];
          })),
        };
      }
      before = { ...now, at };
      problem.hidden = true;
      draw(now);
    } catch (error) {
      if (left) return;
      problem.textContent = error.message;
      problem.hidden = false;
    }
    if (!left) timer = setTimeout(() => (document.hidden ? wait() : load()), AGAIN_MS);
  }

  function wait() {
    timer = setTimeout(() => (document.hidden ? wait() : load()), AGAIN_MS);
  }

  function draw(relay) {
    const { lines, senders, series, anomalies, snapshot, history } = relay;
    replace(line, `skyrelay ${relay.version}, running for ${duration(relay.now - relay.started_at)}`, relay.ready ? "" : ", stopping");
    const unanalysed = sum(lines.not_analysed);
    replace(
      cards,
      card(
        "In",
        h(
          "dl",
          {},
          fact("Lines", [h("b", {}, perSecond(rates ? rates.received : undefined)), `, ${count(lines.received)} in all`]),
          fact("TCP connections", `${count(senders.connections_open)} open, ${count(senders.connections)} in all`),
          sum(senders.connections_refused) > 0 && fact("Refused", h("span", { class: "bad" }, count(sum(senders.connections_refused))), shown(senders.connections_refused)),
          fact("UDP datagrams", count(senders.datagrams)),
          senders.datagrams_dropped > 0 && fact("dropped by the kernel", h("span", { class: "bad" }, count(senders.datagrams_dropped))),
          senders.datagrams_refused > 0 && fact("from others than allowed", count(senders.datagrams_refused)),
          fact("Bytes", Object.entries(senders.bytes).map(([protocol, n]) => `${protocol.toUpperCase()} ${bytes(n)}`).join(", ")),
          lines.fragments > 0 && fact("Lines without an end", count(lines.fragments), "ends of connections without a newline"),
          lines.filtered > 0 && fact("Malformed, held back", count(lines.filtered)),
        ),
      ),
      card(
        "Analysis",
        h(
          "dl",
          {},
          fact("Samples judged", [h("b", {}, perSecond(rates ? rates.analysed : undefined)), `, ${count(lines.analysed)} in all`]),
          fact("Series", `${count(series.total)} of at most ${count(series.max)}`),
          Object.entries(series.states || {}).filter(([, n]) => n > 0).map(([state, n]) => fact(STATES[state] || state, h("a", { href: `#/series?state=${state}` }, count(n)))),
          series.dormant > 0 && fact("silent, what was learnt is kept", count(series.dormant)),
          series.waiting > 0 && fact("by the configuration before", count(series.waiting)),
          fact("Waiting for analysis", `${count(relay.analysis.queued_lines)} lines, ${relay.analysis.shards} ${relay.analysis.shards === 1 ? "thread" : "threads"}`),
          fact("Window", duration(series.span_s)),
          fact("Memory", bytes(relay.memory_bytes)),
          fact("Processor", rates ? percent(rates.cpu) : "…", "of one processor"),
        ),
      ),
      card(
        "Anomalies",
        h(
          "dl",
          {},
          fact("Open", h("a", { href: "#/now" }, count(anomalies.open))),
          fact("Groups of them", count(anomalies.groups)),
          fact("Series with one", count(series.anomalous)),
          fact("Last snapshot", snapshot.last_success > 0 ? `${ago(snapshot.last_success)}, ${bytes(snapshot.bytes)}` : "none"),
          snapshot.failures > 0 && fact("Snapshots that failed", h("span", { class: "bad" }, count(snapshot.failures))),
          snapshot.loading && fact("Snapshot", "being loaded"),
          fact("History on disk", history.kept ? h("a", { href: "#/history" }, bytes(history.bytes)) : "none"),
          Object.entries(history.dropped).map(([reason, records]) => fact("Not in the history", h("span", { class: "bad" }, count(records)), reason.replaceAll("_", " "))),
          history.failures > 0 && fact("Failures of its disk", h("span", { class: "bad" }, count(history.failures))),
        ),
      ),
      h(
        "section",
        { class: "card wide" },
        h("h3", {}, "Upstreams"),
        relay.upstreams.length === 0
          ? h("p", { class: "note" }, "There is no [[forward]]: lines are analysed and go nowhere.")
          : table(
              [["Upstream"], ["State"], ["Forwarded", "num"], ["Waiting", "num"], ["On disk", "num wide-only"], ["Sent twice", "num wide-only"], ["Lost", "num"], ["Failures", "wide-only"]],
              relay.upstreams.map((upstream) => [
                [h("b", {}, upstream.name), h("div", { class: "note" }, h("span", { class: "name" }, upstream.address))],
                h("span", { class: `pill state-${upstream.connected ? "good" : "bad"}` }, upstream.connected ? "connected" : "away"),
                [h("b", {}, perSecond(rates ? rates.forwarded.get(upstream.name) : undefined)), h("div", { class: "note" }, count(upstream.forwarded))],
                [count(upstream.queued), h("div", { class: "note" }, bytes(upstream.queued_bytes)), upstream.senders_paused > 0 && h("div", { class: "bad" }, `senders wait: ${count(upstream.senders_paused)}`)],
                relay.has_spool ? [count(upstream.spooled), h("div", { class: "note" }, bytes(upstream.spool_bytes)), upstream.spool_failures > 0 && h("div", { class: "bad" }, `${count(upstream.spool_failures)} failures`)] : "–",
                count(upstream.resent),
                sum(upstream.dropped) > 0 ? h("span", { class: "bad", title: shown(upstream.dropped) }, count(sum(upstream.dropped))) : "0",
                shown(upstream.failures) || "none",
              ]),
            ),
      ),
      unanalysed > 0 && h("section", { class: "card" }, h("h3", {}, "Lines that were not analysed"), table([["Reason"], ["Lines", "num"], ["", "num"]], reasons(lines.not_analysed, lines.received))),
      sum(lines.quarantined) > 0 && h("section", { class: "card" }, h("h3", {}, "Lines that were not forwarded"), table([["Reason"], ["Lines", "num"], ["", "num"]], reasons(lines.quarantined, lines.received))),
      Object.keys(relay.notifications).length > 0 &&
        h(
          "section",
          { class: "card wide" },
          h("h3", {}, "Channels"),
          table(
            [["Channel"], ["Told", "num"], ["Waiting", "num"], ["Summed up", "num wide-only"], ["Held back", "num wide-only"], ["Lost", "num"], ["Failures", "wide-only"]],
            Object.entries(relay.notifications).map(([name, channel]) => [
              h("b", {}, name),
              count(channel.told),
              [count(channel.queued), channel.queued > 0 && h("div", { class: "note" }, `for ${duration(channel.queue_age_s)}`)],
              count(channel.withheld),
              h("span", { title: shown(channel.held_back) }, count(sum(channel.held_back))),
              sum(channel.dropped) > 0 ? h("span", { class: "bad", title: shown(channel.dropped) }, count(sum(channel.dropped))) : "0",
              shown(channel.failures) || "none",
            ]),
          ),
        ),
      relay.detectors.length > 0 && h("section", { class: "card" }, h("h3", {}, "Detectors"), table([["Name"], ["Kind"], ["Opened", "num"], ["Closed", "num"]], relay.detectors.map((one) => [one.name, one.kind, count(one.opened), count(one.closed)]))),
    );
  }

  async function loadConfig() {
    try {
      const { file, read_at, text, last_reload } = await ask("config");
      if (left) return;
      replace(
        config,
        h("p", {}, file ? ["From ", h("span", { class: "name" }, file)] : "Without a file: all is as it is by default", `, read ${time(read_at)}.`),
        last_reload && last_reload.refused && h("p", { class: "bad" }, `The last reload, ${time(last_reload.at)}, was refused, and nothing has changed:`),
        last_reload && last_reload.refused && h("pre", {}, last_reload.refused),
        last_reload && last_reload.changes && h("p", { class: "note" }, `Last reload ${time(last_reload.at)}: `, changes(last_reload.changes)),
        h("pre", { tabindex: "0", "aria-label": "Configuration" }, text),
      );
    } catch (error) {
      replace(config, h("p", { class: "note bad" }, error.message));
    }
  }

  load();
  loadConfig();
  return {
    again() {
      load();
      loadConfig();
    },
    leave() {
      left = true;
      clearTimeout(timer);
    },
  };
}

// What a reload has changed, in words.
function changes({ changed, needs_restart, listeners, upstreams, detectors, warnings }) {
  const parts = [];
  if (changed.length > 0) parts.push(`changed ${changed.join(", ")}`);
  for (const [what, { added, removed, changed }] of [["addresses", listeners], ["upstreams", upstreams]]) {
    for (const [how, names] of [["new", added], ["gone", removed], ["changed", changed]]) {
      if (names.length > 0) parts.push(`${what} ${how}: ${names.join(", ")}`);
    }
  }
  for (const { name, memory } of detectors) if (memory !== "kept") parts.push(`detector ${name}: ${memory}`);
  if (needs_restart.length > 0) parts.push(`needs a restart: ${needs_restart.join(", ")}`);
  if (parts.length === 0) parts.push("all was the same");
  return [...parts, ...warnings].join("; ");
}
