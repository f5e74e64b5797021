// Numbers and times for people.

const integers = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

// A measured value, whose unit nobody knows: four digits, and a power of ten only where there is no other way.
export function number(value) {
  if (value === null || value === undefined) return "–";
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size >= 1e15 || size < 1e-4) return value.toExponential(2).replace("e+", "e");
  for (const [unit, suffix] of [[1e12, "T"], [1e9, "G"], [1e6, "M"]]) {
    if (size >= unit) return trim((value / unit).toPrecision(4)) + " " + suffix;
  }
  if (size >= 1000) return new Intl.NumberFormat("en", { maximumFractionDigits: size >= 10000 ? 0 : 1 }).format(value);
  return trim(value.toPrecision(4));
}

function trim(text) {
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

export function count(value) {
  return value === null || value === undefined ? "–" : integers.format(value);
}

export function bytes(value) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let place = 0;
  while (value >= 1024 && place < units.length - 1) {
    value /= 1024;
    place += 1;
  }
  return (place === 0 ? integers.format(value) : value.toFixed(value < 10 ? 1 : 0)) + " " + units[place];
}

export function percent(share) {
  if (!Number.isFinite(share)) return "–";
  const value = 100 * share;
  return (Math.abs(value) >= 10 ? value.toFixed(0) : trim(value.toPrecision(2))) + " %";
}

// How long, in at most two units.
export function duration(seconds) {
  seconds = Math.max(0, Math.round(seconds));
  const parts = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const first = parts.findIndex(([, size]) => seconds >= size);
  if (first < 0) return "0 s";
  const [unit, size] = parts[first];
  const whole = Math.floor(seconds / size);
  const rest = seconds - whole * size;
  const next = parts[first + 1];
  const second = next && whole < 10 ? Math.floor(rest / next[1]) : 0;
  return `${whole} ${unit}` + (second ? ` ${second} ${next[0]}` : "");
}

export function ago(timestamp, now = Date.now() / 1000) {
  const seconds = now - timestamp;
  if (seconds < -1) return "in " + duration(-seconds);
  return seconds < 1 ? "now" : duration(seconds) + " ago";
}

const two = (value) => String(value).padStart(2, "0");

// Date and time as the clocks of whoever looks show them.
export function time(timestamp) {
  const date = new Date(timestamp * 1000);
  if (Number.isNaN(date.getTime())) return String(timestamp);
  return `${day(timestamp)} ${clock(timestamp)}`;
}

export function day(timestamp) {
  const date = new Date(timestamp * 1000);
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

// Whose clocks those are.
export const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "local time";

export function clock(timestamp) {
  const date = new Date(timestamp * 1000);
  if (Number.isNaN(date.getTime())) return String(timestamp);
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

// How far a value is from what was expected, in a few words.
export function apart(value, expected) {
  if (expected === null || expected === undefined) return "";
  if (value === expected) return "as expected";
  const [more, less] = [value > expected, Math.abs(expected) < 1e-12];
  const times = value / expected;
  if (!less && times >= 2 && times < 1e4) return `${trim(times.toPrecision(2))} times what is expected`;
  if (!less && Math.sign(value) === Math.sign(expected)) {
    return `${percent(Math.abs(times - 1))} ${more ? "above" : "below"} what is expected`;
  }
  return `${number(Math.abs(value - expected))} ${more ? "above" : "below"} what is expected`;
}

// A literal name as a pattern: what would have a meaning stands in a set of its own.
export function literal(name) {
  return name.replace(/[*?[{}]/g, (sign) => `[${sign}]`);
}

// What somebody typed as a pattern: a plain text is looked for anywhere in the name.
export function pattern(text) {
  text = text.trim();
  if (text === "") return "**";
  return /[*?[{]/.test(text) ? text : `**${text.replace(/}/g, "[}]")}**`;
}
