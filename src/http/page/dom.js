// Building the page. Text comes from senders and may be anything: it only ever becomes text, never markup, and what would turn
// its direction or not be seen is spelled out.

const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;
const spelled = (text) => text.replace(UNSEEN, (sign) => "\\u" + sign.charCodeAt(0).toString(16).padStart(4, "0"));

// An element: `h("a", {class: "name", href: "#/x", onclick: f}, "text", child, [more], null)`.
export function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  set(element, attributes);
  add(element, children);
  return element;
}

// The same in a drawing.
export function svg(tag, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  set(element, attributes);
  add(element, children);
  return element;
}

function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "dataset") Object.assign(element.dataset, value);
    else if (name === "title" || name === "aria-label") element.setAttribute(name, spelled(String(value)));
    else element.setAttribute(name, value === true ? "" : String(value));
  }
}

function add(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(typeof child === "string" ? spelled(child) : child);
  }
}

export function replace(element, ...children) {
  element.replaceChildren();
  add(element, children);
}

// Puts rows of a list in order, and keeps those elements whose key was there before: focus, scrolling and sparklines stay.
// `update(element, item)` brings one up to date, `make(item)` makes a new one.
export function reconcile(parent, items, key, make, update) {
  const before = new Map();
  for (const child of parent.children) before.set(child.dataset.key, child);
  let place = parent.firstElementChild;
  for (const item of items) {
    const name = String(key(item));
    let element = before.get(name);
    if (element) {
      before.delete(name);
      update(element, item);
    } else {
      element = make(item);
      element.dataset.key = name;
    }
    if (element === place) place = place.nextElementSibling;
    else parent.insertBefore(element, place);
  }
  for (const gone of before.values()) gone.remove();
}

let toasts = 0;

// Says something for a while.
export function toast(text, bad) {
  const box = document.getElementById("toasts");
  const note = h("div", { class: bad ? "toast bad" : "toast" }, text);
  box.append(note);
  toasts += 1;
  while (box.children.length > 4) box.firstElementChild.remove();
  setTimeout(() => note.remove(), bad ? 9000 : 5000);
}
