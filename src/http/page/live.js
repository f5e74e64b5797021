// What happens, as it happens: one stream of events for all views, and whether it can be trusted.
//
// The relay ends a stream after a minute and the browser comes back at once, behind what it has seen. While nobody looks at
// the page there is no stream, as a browser has only a few connections for all its tabs.

const PATIENCE_MS = 6000; // A stream that is not back by then is lost.
const RETRY_MS = 5000;
const STALE_MS = 100000; // No stream lasts longer than this without a word.

const listeners = new Set();
const watchers = new Set();
let source = null;
let state = "connecting";
let lostAt = null;
let heardAt = Date.now();
let retry = 0;
let seen = 0;

// Has `listener(kind, data)` called for each event, until what it gives is called. Kinds: `open`, `again`, `close`, `missed`
// (some were, or may have been) and `back`.
export function follow(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

// Has `watcher(state, since)` called when the stream comes or goes: `live`, `connecting`, `lost` or `stale`.
export function watchState(watcher) {
  watchers.add(watcher);
  watcher(state, lostAt);
}

export const eventsSeen = () => seen;

function tell(kind, data) {
  for (const listener of listeners) listener(kind, data);
}

function turn(next) {
  if (next === "live") lostAt = null;
  else lostAt = lostAt || Date.now();
  if (state !== next) {
    state = next;
    for (const watcher of watchers) watcher(state, lostAt);
  }
}

function open() {
  clearTimeout(retry);
  if (source) source.close();
  const mine = new EventSource("api/v1/events");
  source = mine;
  let opened = false;
  mine.onopen = () => {
    heardAt = Date.now();
    const wasLost = state !== "live" && state !== "connecting";
    turn("live");
    // A new stream begins with what comes next: what came before has to be asked for.
    if (!opened || wasLost) tell("back", null);
    opened = true;
  };
  for (const kind of ["open", "again", "close", "missed"]) {
    mine.addEventListener(kind, (event) => {
      heardAt = Date.now();
      seen += 1;
      turn("live");
      let data = null;
      try {
        data = JSON.parse(event.data);
      } catch {
        return;
      }
      tell(kind, data);
    });
  }
  mine.onerror = () => {
    if (source !== mine) return;
    lostAt = lostAt || Date.now();
    // It gives up when it is refused, such as when too many follow.
    if (mine.readyState === EventSource.CLOSED) {
      turn("lost");
      clearTimeout(retry);
      retry = setTimeout(open, RETRY_MS);
    }
  };
}

function close() {
  clearTimeout(retry);
  if (source) source.close();
  source = null;
  turn("connecting");
}

let hideTimer = 0;

export function start() {
  open();
  setInterval(() => {
    if (!source) return;
    if (source.readyState === EventSource.CONNECTING && lostAt && Date.now() - lostAt > PATIENCE_MS) turn("lost");
    if (source.readyState === EventSource.OPEN && state !== "lost") turn(Date.now() - heardAt > STALE_MS ? "stale" : "live");
  }, 1000);
  document.addEventListener("visibilitychange", () => {
    clearTimeout(hideTimer);
    if (document.hidden) hideTimer = setTimeout(close, 60000);
    else if (!source) open();
  });
  // A browser keeps a page that was left for whoever comes back, and its stream with it: six such pages would leave no
  // connection for the seventh.
  window.addEventListener("pagehide", close);
  window.addEventListener("pageshow", (event) => {
    if (event.persisted && !source && !document.hidden) open();
  });
}
