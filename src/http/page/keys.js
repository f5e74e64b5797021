// The keyboard: moving in lists, what keys do where, and the overlay that says so.

import { h, replace } from "./dom.js";

let local = [];

const everywhere = [
  ["g n", "go to what is wrong now", () => go("#/now")],
  ["g s", "go to all series", () => go("#/series")],
  ["g h", "go to the history", () => go("#/history")],
  ["g m", "go to the silences", () => go("#/silences")],
  ["g r", "go to the relay", () => go("#/relay")],
  ["j", "next row", () => move(1)],
  ["k", "row before", () => move(-1)],
  ["Enter", "open the row", () => press("open")],
  ["/", "filter", focusFilter],
  ["s", "silence it", () => press("silence")],
  ["a", "acknowledge it", () => press("acknowledge")],
  ["u", "back", () => history.back()],
  ["?", "these keys", help],
  ["Escape", "close, or leave the filter", escape],
];

function go(hash) {
  location.hash = hash;
}

// Keys of the view: `[key, what it does, function]`.
export function setLocal(keys) {
  local = keys || [];
}

function rows() {
  return [...document.querySelectorAll("#main [data-row]")].filter((row) => row.offsetParent !== null);
}

function current() {
  const active = document.activeElement;
  return active ? active.closest("[data-row]") : null;
}

function move(step) {
  const all = rows();
  if (all.length === 0) return;
  const place = all.indexOf(current());
  const next = all[Math.min(all.length - 1, Math.max(0, place < 0 ? 0 : place + step))];
  next.focus();
  next.scrollIntoView({ block: "nearest" });
}

// Does what the row under the cursor offers, or the view itself.
function press(action) {
  const row = current();
  const scope = row || document.getElementById("main");
  const button = scope.querySelector(`[data-action="${action}"]`);
  if (button) button.click();
}

function focusFilter() {
  const filter = document.querySelector("#main input[data-filter]");
  if (filter) {
    filter.focus();
    filter.select();
  }
}

function escape() {
  const active = document.activeElement;
  if (active && active.matches("input, select, textarea")) active.blur();
}

function help() {
  const dialog = h("dialog", { class: "help", "aria-labelledby": "keys-title" });
  const line = ([key, what]) => h("div", { class: "key-line" }, h("span", {}, key.split(" ").map((one) => h("kbd", {}, one))), h("span", {}, what));
  replace(
    dialog,
    h("form", { method: "dialog", class: "dialog-head" }, h("h2", { id: "keys-title" }, "Keys"), h("button", { class: "quiet", "aria-label": "Close" }, "✕")),
    h("div", { class: "key-lines" }, everywhere.map(line), local.map(line)),
  );
  show(dialog);
}

// Shows a dialog, which is gone when it is closed.
export function show(dialog) {
  document.body.append(dialog);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  dialog.showModal();
}

let prefix = "";
let prefixTimer = 0;

export function start() {
  document.getElementById("help").addEventListener("click", help);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const typing = event.target.closest && event.target.closest("input, select, textarea");
    if (typing && event.key !== "Escape") return;
    if (document.querySelector("dialog[open]")) return;
    // A link or button has its own meaning for Enter.
    if (event.key === "Enter" && event.target.closest("a, button, summary")) return;
    const pressed = prefix ? `${prefix} ${event.key}` : event.key;
    clearTimeout(prefixTimer);
    prefix = "";
    const found = [...local, ...everywhere].find(([key]) => key === pressed);
    if (found) {
      event.preventDefault();
      found[2]();
    } else if (event.key === "g") {
      prefix = "g";
      prefixTimer = setTimeout(() => (prefix = ""), 1500);
    }
  });
}
