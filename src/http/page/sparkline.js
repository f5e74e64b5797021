// Small lines of the last samples, for lists: asked for together, a few rows at a time, and only for rows that are seen.

import { ask } from "./api.js";
import { svg } from "./dom.js";

const [WIDTH, HEIGHT] = [120, 28];
const FRESH_MS = 15000;
const BATCH = 40;
const BATCH_BYTES = 6000; // The relay takes no longer addresses than 16 KiB.

const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) entry.target.isSeen = entry.isIntersecting;
  plan();
}, { rootMargin: "200px" });

const all = new Set();
let planned = 0;

// A sparkline of the series called `name`, with a mark where `since` is.
export function sparkline(name, since) {
  const box = svg("svg", { class: "sparkline", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, width: WIDTH, height: HEIGHT, "aria-hidden": "true" });
  box.spark = { name, since, at: 0 };
  all.add(box);
  seen.observe(box);
  return box;
}

export function markSince(box, since) {
  if (box.spark.since !== since) {
    box.spark.since = since;
    box.spark.at = 0;
    plan();
  }
}

function plan() {
  if (!planned) planned = setTimeout(load, 60);
}

async function load() {
  planned = 0;
  const wanted = [];
  let bytes = 0;
  for (const box of all) {
    if (!box.isConnected) {
      // Rows come and go; one that is not yet there has a moment.
      if (box.wasConnected) {
        all.delete(box);
        seen.unobserve(box);
      }
      continue;
    }
    box.wasConnected = true;
    if (!box.isSeen || Date.now() - box.spark.at < FRESH_MS) continue;
    bytes += encodeURIComponent(box.spark.name).length + 8;
    if (wanted.length >= BATCH || bytes > BATCH_BYTES) {
      plan();
      break;
    }
    box.spark.at = Date.now();
    wanted.push(box);
  }
  if (wanted.length === 0) return;
  try {
    const { sparklines } = await ask("sparklines", { series: [...new Set(wanted.map((box) => box.spark.name))], points: 60 });
    const points = new Map(sparklines.map((one) => [one.series, one.points]));
    for (const box of wanted) draw(box, points.get(box.spark.name) || []);
  } catch {
    // The next time.
  }
}

function draw(box, points) {
  if (points.length < 2) {
    box.replaceChildren();
    return;
  }
  const [first, last] = [points[0][0], points[points.length - 1][0]];
  const values = points.map(([, value]) => value);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const x = (at) => 2 + ((WIDTH - 4) * (at - first)) / (last - first || 1);
  const y = (value) => HEIGHT - 3 - (high > low ? ((HEIGHT - 6) * (value - low)) / (high - low) : (HEIGHT - 6) / 2);
  const path = (part) => part.map(([at, value], place) => `${place ? "L" : "M"}${x(at).toFixed(1)} ${y(value).toFixed(1)}`).join("");
  const { since } = box.spark;
  const odd = since === null ? [] : points.filter(([at]) => at >= since);
  const parts = [svg("path", { class: "line", d: path(points) })];
  if (odd.length > 0) {
    const before = points[points.length - odd.length - 1];
    parts.push(svg("path", { class: "odd", d: path(before ? [before, ...odd] : odd) }));
    const [at, value] = odd[0];
    parts.push(svg("circle", { class: "odd-dot", cx: x(at).toFixed(1), cy: y(value).toFixed(1), r: 2.4 }));
  }
  box.replaceChildren(...parts);
}

setInterval(() => {
  if (!document.hidden && all.size > 0) plan();
}, 5000);
