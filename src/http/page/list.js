// All series: whether each is analysed, and why; and the tree of names, with how often each part of it alarms.

import { ask } from "./api.js";
import { h, reconcile, replace } from "./dom.js";
import { ago, count, literal, number, pattern } from "./format.js";
import { seriesLink } from "./now.js";
import { clockOf, stateOf } from "./series.js";

export const title = () => "Series";
export const keys = [];

const PAGE = 50;
const BRANCHES = 100;
const STATES = [["", "any state"], ["analysed", "analysed"], ["warming_up", "being learnt"], ["too_short", "too few samples"], ["boring", "unchanging"], ["unwatched", "not watched"], ["paused", "paused"]];

function makeRow(one) {
  const parts = { state: h("td", {}), why: h("td", { class: "note wide-only" }), last: h("td", { class: "num" }), when: h("td", { class: "num wide-only" }) };
  const link = seriesLink(one.series, { "data-action": "open" });
  const row = h("tr", { "data-row": true, tabindex: "0" }, h("td", {}, link), parts.state, parts.why, parts.last, parts.when);
  row.parts = parts;
  row.addEventListener("click", (event) => event.target.closest("a") || link.click());
  row.addEventListener("keydown", (event) => event.key === "Enter" && event.target === row && link.click());
  updateRow(row, one);
  return row;
}

function updateRow(row, one) {
  const odd = clockOf(one);
  const open = one.detectors.filter((detector) => detector.anomalous && detector.heard);
  replace(row.parts.state, stateOf(one), " ", open.length > 0 && h("span", { class: "pill state-bad" }, "anomalous"), odd && h("span", { class: "pill state-bad", title: odd }, "odd clock"));
  replace(row.parts.why, one.reason, odd && `; ${odd}`);
  replace(row.parts.last, one.last ? number(one.last[1]) : "–");
  replace(row.parts.when, one.received ? ago(one.received) : "");
}

function branch(one, most) {
  const share = h("span", { class: "share" });
  share.style.width = `${most > 0 ? Math.max(one.opened_day > 0 ? 3 : 0, (70 * one.opened_day) / most) : 0}px`;
  const node = one.subtree.slice(0, -3);
  const below = literal(node) + one.subtree.slice(-3);
  const isLast = one.subtree.endsWith(";**") || node.includes(".");
  return h(
    "tr",
    {},
    h("td", {}, h("a", { class: "name", href: "#/series?match=" + encodeURIComponent(below) }, one.subtree)),
    h("td", { class: "num" }, count(one.series)),
    h("td", { class: `num${one.anomalous > 0 ? " bad" : ""}` }, count(one.anomalous)),
    h("td", { class: "num wide-only" }, count(one.opened_hour)),
    h("td", { class: "num" }, count(one.opened_day)),
    h("td", { class: "wide-only" }, share),
    h("td", { class: "num wide-only" }, one.per_series_and_day === undefined ? "–" : number(one.per_series_and_day)),
    h("td", {}, !isLast && h("a", { href: "#/series?" + new URLSearchParams({ match: below, below: node }), "aria-label": `below ${node}` }, "open")),
  );
}

export function show(main, place) {
  let filter, state, below, after, behind;
  let [left, asked, typing] = [false, 0, 0];
  const input = h("input", { type: "search", "data-filter": true, placeholder: "a part of a name, or a pattern", "aria-label": "Pattern", spellcheck: "false", autocomplete: "off" });
  const states = h("select", { "aria-label": "State" }, STATES.map(([value, text]) => h("option", { value }, text)));
  const problem = h("p", { class: "note bad", role: "alert", hidden: true });
  const total = h("h2", { role: "status" }, "Asking the relay …");
  const body = h("tbody", {});
  const table = h("div", { class: "scroll card" }, h("table", {}, h("thead", {}, h("tr", {}, h("th", {}, "Series"), h("th", {}, "State"), h("th", { class: "wide-only" }, "Why"), h("th", { class: "num" }, "Newest"), h("th", { class: "num wide-only" }, "Last line"))), body));
  const previous = h("button", { type: "button" }, "Back");
  const next = h("button", { type: "button" }, "Next");
  const pager = h("div", { class: "pager" }, previous, next);
  const treeHead = h("h2", {});
  const tree = h("section", { class: "tree" });
  replace(
    main,
    h("div", { class: "head" }, h("h1", {}, "All series"), h("form", { class: "filters", onsubmit: (event) => event.preventDefault() }, input, h("span", {}, states))),
    problem,
    h("section", {}, total, table, pager),
    treeHead,
    tree,
  );

  function take({ parameters }) {
    filter = parameters.get("match") || "";
    state = parameters.get("state") || "";
    below = parameters.get("below") || "";
    after = parameters.get("after") || "";
    behind = [];
    if (document.activeElement !== input) input.value = filter;
    states.value = STATES.some(([value]) => value === state) ? state : "";
  }

  function remember(push) {
    const query = new URLSearchParams();
    for (const [key, value] of Object.entries({ match: filter, state, below, after })) if (value) query.set(key, value);
    const address = "#/series" + (query.size > 0 ? "?" + query : "");
    if (push) history.pushState(null, "", address);
    else history.replaceState(null, "", address);
  }

  async function load() {
    const mine = (asked += 1);
    try {
      const found = await ask("series", { match: pattern(filter), state, after, limit: PAGE });
      if (left || mine !== asked) return;
      problem.hidden = true;
      total.textContent = found.total === 1 ? "1 series" : `${count(found.total)} series` + (after ? `, from ${after}` : "");
      reconcile(body, found.series, (one) => one.series, makeRow, updateRow);
      table.hidden = found.series.length === 0;
      if (found.total === 0) {
        const nothing = filter || state ? "No series matches" : "No series has come yet: the Relay view counts lines as they arrive";
        total.textContent = nothing;
        if (filter || state) explainAbsence(mine);
      }
      next.disabled = !found.next;
      next.onclick = () => {
        behind.push(after);
        after = found.next;
        remember(true);
        load();
        table.scrollIntoView({ block: "start" });
      };
      previous.disabled = !after;
      previous.onclick = () => {
        after = behind.pop() || "";
        remember(true);
        load();
      };
      pager.hidden = !found.next && !after;
    } catch (error) {
      if (left || mine !== asked) return;
      problem.textContent = error.message;
      problem.hidden = false;
    }
  }

  // What nobody finds may be what there was no room for when it came.
  async function explainAbsence(mine) {
    const lost = (await ask("relay").catch(() => null))?.lines.not_analysed || {};
    const over = (lost.over_max_series || 0) + (lost.over_max_memory || 0);
    if (left || mine !== asked || over === 0) return;
    replace(total, "No series matches ", h("span", { class: "note" }, `${count(over)} lines were of series for which there was no room (window.max_series, analysis.max_memory): these are forwarded, and not known here.`));
  }

  async function loadTree() {
    try {
      // Subtrees are called as the pattern of all that is in them: these are one node long, and end in stars.
      const wanted = (below ? literal(below) + "." : "") + "*{.,;}[*][*]";
      const found = await ask("subtrees", { match: wanted, limit: BRANCHES });
      if (left) return;
      const shown = found.subtrees;
      const most = Math.max(0, ...shown.map((one) => one.opened_day));
      replace(treeHead, below ? [h("a", { href: "#/series" }, "Tree"), ` below ${below}`] : "Tree of names");
      replace(
        tree,
        shown.length === 0
          ? h("p", { class: "note" }, "There is nothing that is counted by itself here.")
          : h(
              "div",
              { class: "scroll card" },
              h("table", {}, h("thead", {}, h("tr", {}, h("th", {}, "Below"), h("th", { class: "num" }, "Series"), h("th", { class: "num" }, "Anomalous"), h("th", { class: "num wide-only" }, "Opened in an hour"), h("th", { class: "num" }, "In a day"), h("th", { class: "wide-only" }, ""), h("th", { class: "num wide-only" }, "Per series and day"), h("th", {}, ""))), h("tbody", {}, shown.map((one) => branch(one, most)))),
            ),
        found.total > shown.length && h("p", { class: "note" }, `The ${count(shown.length)} with the most anomalies of ${count(found.total)}.`),
      );
    } catch (error) {
      replace(tree, h("p", { class: "note bad" }, error.message));
    }
  }

  input.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => {
      [filter, after, behind] = [input.value.trim(), "", []];
      remember(false);
      load();
    }, 200);
  });
  states.addEventListener("change", () => {
    [state, after, behind] = [states.value, "", []];
    remember(true);
    load();
  });
  const again = setInterval(() => {
    if (document.hidden) return;
    load();
    loadTree();
  }, 10000);
  take(place);
  load();
  loadTree();

  return {
    again(place) {
      take(place);
      load();
      loadTree();
    },
    leave() {
      left = true;
      clearTimeout(typing);
      clearInterval(again);
    },
  };
}
