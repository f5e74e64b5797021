// The votes behind a verdict: what each algorithm found, against what.

import { h } from "./dom.js";
import { number } from "./format.js";

const KNOWN = new Set(["vote", "statistic", "threshold", "failed"]);

// A table of the votes of a verdict; nothing where it has none.
export function votes(verdict) {
  const all = Object.entries(verdict.votes || {});
  if (all.length === 0) return null;
  const row = ([name, vote]) => {
    const [sign, says, kind] = vote.failed ? ["!", "failed", "none"] : vote.vote === null ? ["·", "abstains", "none"] : vote.vote ? ["●", "anomalous", "yes"] : ["○", "usual", "no"];
    const details = Object.entries(vote).filter(([key]) => !KNOWN.has(key));
    return h(
      "tr",
      { class: "vote-" + kind },
      h("td", {}, h("span", { class: "vote-sign", "aria-hidden": "true" }, sign), " ", name),
      h("td", {}, says),
      h("td", { class: "num" }, number(vote.statistic)),
      h("td", { class: "num" }, number(vote.threshold)),
      h("td", { class: "details wide-only" }, details.map(([key, value]) => `${key} ${number(value)}`).join(", ")),
    );
  };
  return h(
    "div",
    { class: "scroll" },
    h(
      "table",
      { class: "votes" },
      h("thead", {}, h("tr", {}, ["Algorithm", "Vote"].map((text) => h("th", {}, text)), ["Statistic", "Threshold"].map((text) => h("th", { class: "num" }, text)), h("th", { class: "wide-only" }, "Details"))),
      h("tbody", {}, all.map(row)),
    ),
  );
}
