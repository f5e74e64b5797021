// Questions to the relay.

export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

// Is that an answer of a relay that does not have this part?
export const isMissing = (error) => error instanceof Refused && (error.status === 404 || error.status === 405);

// Asks for `path` with `parameters`; those that are empty are left out.
export async function ask(path, parameters = {}, options = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== null && one !== "") query.append(name, String(one));
    }
  }
  const text = query.toString();
  let answer;
  try {
    answer = await fetch("api/v1/" + path + (text ? "?" + text : ""), { cache: "no-store", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(0, "the relay does not answer");
  }
  const body = await answer.text();
  let json = null;
  try {
    json = body === "" ? null : JSON.parse(body);
  } catch {
    // What is no JSON is only told when it was refused.
  }
  if (!answer.ok) {
    throw new Refused(answer.status, (json && json.error) || `the relay answers ${answer.status}`);
  }
  return json;
}

// Has something changed.
export function change(method, path, body) {
  const options = { method };
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers = { "Content-Type": "application/json" };
  }
  return ask(path, {}, options);
}

export const seriesPath = (name) => "series/" + encodeURIComponent(name);
