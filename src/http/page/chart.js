// The graph of a series: its samples, what is usual, and its anomalies. Drag to zoom, double click to see all of it again.
//
// Drawn as SVG whose colours are those of the style sheet, so that it follows light and dark by itself.

import { h, svg, replace } from "./dom.js";
import { clock, number, time } from "./format.js";

const STEPS_S = [1, 5, 10, 30, 60, 300, 600, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800];

// Round numbers between two, some `wanted` of them.
export function ticks(low, high, wanted) {
  const raw = (high - low) / wanted;
  if (!(raw > 0) || !Number.isFinite(raw)) return [low];
  const size = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * size).find((step) => step >= raw) || 10 * size;
  const found = [];
  for (let place = Math.ceil(low / step); place * step <= high + step * 1e-9 && found.length < 50; place += 1) found.push(place * step);
  return found;
}

// Round times between two, in the zone of whoever looks.
export function timeTicks(from, until, wanted) {
  const step = STEPS_S.find((step) => (until - from) / step <= wanted) || Math.ceil((until - from) / wanted / 604800) * 604800;
  const offset = new Date(from * 1000).getTimezoneOffset() * 60;
  const found = [];
  for (let at = Math.ceil((from - offset) / step) * step + offset; at <= until && found.length < 50; at += step) found.push(at);
  return found;
}

// The extent of the values that are to be seen: all samples, and the band as far as it does not make them small.
function extent(data, from, until) {
  let [low, high] = [Infinity, -Infinity];
  const within = (at) => at >= from && at <= until;
  for (const [at, value] of data.points) {
    if (!within(at)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (low > high) [low, high] = [0, 1];
  const reach = Math.max(high - low, Math.abs(high) * 0.02, 1e-12) * 0.75;
  const [least, most] = [low - reach, high + reach];
  for (const band of [data.band, data.ahead].filter(Boolean)) {
    band.times.forEach((at, place) => {
      if (!within(at)) return;
      for (const end of [band.expected[place], band.lower[place], band.upper[place]]) {
        if (end === null) continue;
        low = Math.min(low, Math.max(end, least));
        high = Math.max(high, Math.min(end, most));
      }
    });
  }
  if (low === high) [low, high] = [low - Math.max(1, Math.abs(low) * 0.1), high + Math.max(1, Math.abs(high) * 0.1)];
  const margin = (high - low) * 0.06;
  // What is never below zero is not shown as if it could be.
  return [low >= 0 && low - margin < 0 ? 0 : low - margin, high + margin];
}

// The place of the last element of `list` that is not behind `at`.
function before(list, at, key) {
  let [left, right] = [0, list.length];
  while (left < right) {
    const middle = (left + right) >> 1;
    if (key(list[middle]) <= at) left = middle + 1;
    else right = middle;
  }
  return left - 1;
}

export class Chart {
  // `onzoom(from, until)` is called with the times that somebody chose, or with nothing for all there is.
  constructor({ onzoom, onanomaly }) {
    this.onzoom = onzoom;
    this.onanomaly = onanomaly;
    this.data = null;
    this.tip = h("div", { class: "tip", role: "status" });
    this.drawing = svg("svg", { class: "plot", role: "img", tabindex: "0" });
    this.element = h("div", { class: "chart" }, this.drawing, this.tip);
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(this.element);
    this.listen();
  }

  leave() {
    this.observer.disconnect();
  }

  // `{points, band, ahead, anomalies, from, until, newest, label}`: what is to come, if anything is known of it, is `ahead`.
  show(data) {
    this.data = data;
    this.draw();
  }

  draw() {
    const { data, drawing } = this;
    const width = Math.floor(this.element.clientWidth);
    if (!data || width < 50) return;
    const height = width < 500 ? 240 : 320;
    const box = { left: width < 500 ? 46 : 58, right: 10, top: 12, bottom: 26 };
    const { from } = data;
    // A little room, so that what has just come is not cut.
    const until = Math.max(data.until, from + 1) + (data.until - from) * 0.012;
    const [low, high] = extent(data, from, until);
    const inner = { width: width - box.left - box.right, height: height - box.top - box.bottom };
    const x = (at) => box.left + (inner.width * (at - from)) / (until - from);
    const y = (value) => box.top + inner.height * (1 - (value - low) / (high - low));
    const held = (value) => Math.max(box.top - 2, Math.min(box.top + inner.height + 2, y(value)));
    this.scale = { x, y, from, until, box, inner, width, height };
    drawing.setAttribute("viewBox", `0 0 ${width} ${height}`);
    drawing.setAttribute("width", width);
    drawing.setAttribute("height", height);
    drawing.setAttribute("aria-label", data.label);

    const clip = svg("clipPath", { id: "inside" }, svg("rect", { x: box.left, y: box.top - 4, width: inner.width, height: inner.height + 8 }));
    const grid = svg("g", { class: "grid" });
    for (const value of ticks(low, high, height < 300 ? 4 : 6)) {
      const place = y(value).toFixed(1);
      grid.append(svg("line", { x1: box.left, x2: width - box.right, y1: place, y2: place }));
      grid.append(svg("text", { x: box.left - 6, y: place, class: "axis-y" }, number(Math.abs(value) < (high - low) * 1e-9 ? 0 : value)));
    }
    const long = until - from > 172800;
    for (const at of timeTicks(from, until, Math.max(2, Math.floor(inner.width / 90)))) {
      const place = x(at).toFixed(1);
      const text = long ? time(at).slice(5, 16) : until - from < 300 ? clock(at) : clock(at).slice(0, 5);
      grid.append(svg("line", { x1: place, x2: place, y1: box.top, y2: box.top + inner.height, class: "upright" }));
      grid.append(svg("text", { x: place, y: height - 8, class: "axis-x" }, text));
    }

    const inside = svg("g", { "clip-path": "url(#inside)" });
    const bands = [data.band, data.ahead].filter(Boolean);
    const expected = bands.map((band) => this.drawBand(inside, band, x, held, box, inner));
    for (const anomaly of data.anomalies) this.drawSpan(inside, anomaly, x, box, inner);
    inside.append(svg("path", { class: "samples", d: this.path(data.points, x, y) }));
    if (data.points.length < 120) {
      for (const [at, value] of data.points) inside.append(svg("circle", { class: "sample", cx: x(at).toFixed(1), cy: y(value).toFixed(1), r: 1.8 }));
    }
    inside.append(...expected.filter(Boolean));
    for (const anomaly of data.anomalies) this.drawMark(inside, anomaly, x, held);
    this.cross = svg("g", { class: "cross" });
    this.selection = svg("rect", { class: "selection", y: box.top, height: inner.height, width: 0 });
    replace(drawing, clip, grid, inside, this.selection, this.cross);
  }

  // Where samples are missing for long, the line has a gap.
  path(points, x, y) {
    const gaps = points.slice(1).map(([at], place) => at - points[place][0]).sort((left, right) => left - right);
    const usual = gaps.length ? gaps[Math.floor(gaps.length * 0.9)] : 0;
    let text = "";
    points.forEach(([at, value], place) => {
      const joins = place > 0 && at - points[place - 1][0] <= Math.max(usual * 5, 1);
      text += `${joins ? "L" : "M"}${x(at).toFixed(1)} ${y(value).toFixed(1)}`;
      if (!joins && (place + 1 === points.length || points[place + 1][0] - at > Math.max(usual * 5, 1))) text += "h0.1";
    });
    return text;
  }

  // Draws what is usual, and gives the line of what is expected, which goes on top.
  drawBand(parent, band, x, held, box, inner) {
    const runs = [];
    let run = null;
    band.times.forEach((at, place) => {
      const says = band.lower[place] !== null || band.upper[place] !== null;
      if (!says) {
        run = null;
        return;
      }
      if (!run) runs.push((run = []));
      const [lower, upper] = [band.lower[place], band.upper[place]];
      run.push([x(at).toFixed(1), (upper === null ? box.top : held(upper)).toFixed(1), (lower === null ? box.top + inner.height : held(lower)).toFixed(1)]);
    });
    for (const run of runs) {
      const up = run.map(([at, upper]) => `${at} ${upper}`).join("L");
      const down = run.slice().reverse().map(([at, , lower]) => `${at} ${lower}`).join("L");
      parent.append(svg("path", { class: "band", d: `M${up}L${down}Z` }));
    }
    let text = "";
    let joins = false;
    band.times.forEach((at, place) => {
      const value = band.expected[place];
      if (value !== null) text += `${joins ? "L" : "M"}${x(at).toFixed(1)} ${held(value).toFixed(1)}`;
      joins = value !== null;
    });
    return text ? svg("path", { class: "expected", d: text }) : null;
  }

  drawSpan(parent, anomaly, x, box, inner) {
    const begin = x(anomaly.opened_at);
    const end = x(anomaly.closed_at === undefined ? this.data.newest : anomaly.closed_at);
    parent.append(svg("rect", { class: `span ${anomaly.state}`, x: begin.toFixed(1), y: box.top, width: Math.max(1.5, end - begin).toFixed(1), height: inner.height }));
  }

  drawMark(parent, anomaly, x, held) {
    const mark = svg("circle", { class: `mark ${anomaly.state}`, cx: x(anomaly.opened_at).toFixed(1), cy: held(anomaly.value).toFixed(1), r: 5, "data-anomaly": anomaly.id });
    parent.append(mark);
  }

  // What there is at a place of the drawing.
  at(position) {
    const { scale, data } = this;
    const time = scale.from + ((position - scale.box.left) / scale.inner.width) * (scale.until - scale.from);
    const { points, band } = data;
    if (points.length === 0) return null;
    let place = before(points, time, ([at]) => at);
    if (place < 0 || (place + 1 < points.length && points[place + 1][0] - time < time - points[place][0])) place += 1;
    const [at, value] = points[place];
    const found = { at, value, band: null, anomaly: null };
    if (band) {
      const near = before(band.times, at, (one) => one);
      const use = Math.max(0, near);
      found.band = { expected: band.expected[use], lower: band.lower[use], upper: band.upper[use] };
    }
    const reach = ((scale.until - scale.from) / scale.inner.width) * 6;
    found.anomaly = data.anomalies.find(({ opened_at, closed_at }) => at >= opened_at - reach && at <= (closed_at === undefined ? Infinity : closed_at + reach)) || null;
    return found;
  }

  point(position) {
    const found = this.data && this.scale && this.at(position);
    if (!found) return;
    const { x, y, box, inner, width } = this.scale;
    const [left, top] = [x(found.at), Math.max(box.top, Math.min(box.top + inner.height, y(found.value)))];
    replace(this.cross, svg("line", { x1: left, x2: left, y1: box.top, y2: box.top + inner.height }), svg("circle", { cx: left, cy: top, r: 4 }));
    const line = (name, value) => h("div", { class: "tip-line" }, h("span", {}, name), h("b", {}, value));
    const { band, anomaly } = found;
    replace(
      this.tip,
      h("div", { class: "tip-time" }, time(found.at)),
      line("value", number(found.value)),
      band && band.expected !== null && line("expected", number(band.expected)),
      band && (band.lower !== null || band.upper !== null) && line("usual", `${band.lower === null ? "any" : number(band.lower)} to ${band.upper === null ? "any" : number(band.upper)}`),
      anomaly && h("div", { class: "tip-anomaly" }, `anomaly by ${anomaly.detector}, since ${clock(anomaly.opened_at)}${anomaly.closed_at === undefined ? "" : ` until ${clock(anomaly.closed_at)}`}`),
    );
    this.tip.classList.add("shown");
    const room = this.tip.offsetWidth + 16;
    this.tip.style.left = `${left + room > width ? Math.max(0, left - room) : left + 12}px`;
    this.tip.style.top = `${box.top + 4}px`;
    this.found = found;
  }

  unpoint() {
    this.tip.classList.remove("shown");
    if (this.cross) replace(this.cross);
  }

  listen() {
    const { drawing } = this;
    const position = (event) => event.clientX - drawing.getBoundingClientRect().left;
    let begun = null;
    const held = (at) => Math.max(this.scale.box.left, Math.min(this.scale.width - this.scale.box.right, at));
    drawing.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || !this.scale) return;
      begun = held(position(event));
      drawing.setPointerCapture(event.pointerId);
    });
    drawing.addEventListener("pointermove", (event) => {
      if (!this.scale) return;
      this.point(position(event));
      if (begun === null) return;
      const now = held(position(event));
      this.selection.setAttribute("x", Math.min(begun, now));
      this.selection.setAttribute("width", Math.abs(now - begun));
    });
    drawing.addEventListener("pointerup", (event) => {
      if (begun === null) return;
      const ends = [begun, held(position(event))].sort((left, right) => left - right);
      begun = null;
      this.selection.setAttribute("width", 0);
      const { from, until, box, inner } = this.scale;
      const at = (place) => from + ((place - box.left) / inner.width) * (until - from);
      if (ends[1] - ends[0] > 6) this.onzoom(Math.floor(at(ends[0])), Math.ceil(at(ends[1])));
      else if (this.found && this.found.anomaly) this.onanomaly(this.found.anomaly);
    });
    drawing.addEventListener("pointercancel", () => {
      begun = null;
      if (this.selection) this.selection.setAttribute("width", 0);
    });
    drawing.addEventListener("pointerleave", () => this.unpoint());
    drawing.addEventListener("dblclick", () => this.onzoom(null, null));
    drawing.addEventListener("keydown", (event) => {
      if (!this.scale) return;
      const { from, until } = this.scale;
      const [middle, span] = [(from + until) / 2, until - from];
      const zoom = { "+": 0.5, "=": 0.5, "-": 2 }[event.key];
      if (zoom) this.onzoom(Math.floor(middle - (span * zoom) / 2), Math.ceil(middle + (span * zoom) / 2));
      else if (event.key === "0") this.onzoom(null, null);
      else if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
        const shift = (event.key === "ArrowLeft" ? -1 : 1) * span * 0.25;
        this.onzoom(Math.floor(from + shift), Math.ceil(until + shift));
      } else return;
      event.preventDefault();
      event.stopPropagation();
    });
  }
}
