// The public API, and nothing else: requests, problems in words, and the key of this tab.

const KEY = "bearing-key";
const BASE = new URL(".", document.baseURI);

/** What a status means to someone who searches. */
const TITLES = {
  400: "The service could not read that",
  401: "A key is needed",
  403: "This key may not do that",
  404: "That is not there",
  413: "That is too large",
  422: "The service cannot use that",
  429: "Too many requests",
  500: "The service failed",
  503: "The service is busy",
};

/** What the service refused, or why it was not reached, in words for the reader. */
export class Problem extends Error {
  constructor(title, detail, status = 0) {
    super(detail || title);
    this.title = title;
    this.status = status;
  }
}

/** Asks the reader for a key; the page sets it. Gets whether one was refused. */
let askForKey = async () => null;
let asking = null;

export function onKeyNeeded(ask) {
  askForKey = ask;
}

/** Whether the tab has a key. */
export const hasKey = () => sessionStorage.getItem(KEY) !== null;

export const forgetKey = () => sessionStorage.removeItem(KEY);

/** Asks for another key; whether there is one now. */
export async function changeKey() {
  const key = await askForKey(false);
  if (key) sessionStorage.setItem(KEY, key);
  return Boolean(key);
}

/**
 * The JSON that the service answers, null where it answers nothing. Asks for a key where one is needed, then tries again.
 * @param {string} path relative to the page
 * @param {{body?: unknown, method?: string, signal?: AbortSignal}} [options] with a body it is a POST, unless another method is given
 */
export async function request(path, { body, method = body === undefined ? "GET" : "POST", signal } = {}) {
  for (;;) {
    const key = sessionStorage.getItem(KEY);
    const response = await reach(path, method, body, signal, key);
    if (response.status !== 401) return answer(response);
    if (!(await obtainKey(key))) throw await problemOf(response);
  }
}

async function reach(path, method, body, signal, key) {
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (key) headers.Authorization = `Bearer ${key}`;
  try {
    return await fetch(new URL(path, BASE), { method, headers, body: JSON.stringify(body), signal, cache: "no-store" });
  } catch (reason) {
    if (reason.name === "AbortError") throw reason;
    throw new Problem("The service does not answer", "Is it still running? Check the connection, then try again.");
  }
}

/** Several requests may find that a key is needed; the reader is asked once. */
async function obtainKey(refused) {
  if (sessionStorage.getItem(KEY) !== refused) return true;
  asking ??= askForKey(refused !== null).finally(() => (asking = null));
  const key = await asking;
  if (key) sessionStorage.setItem(KEY, key);
  return Boolean(key);
}

async function answer(response) {
  if (!response.ok) throw await problemOf(response);
  if (response.status === 204) return null;
  try {
    return await response.json();
  } catch {
    throw new Problem("The answer is not JSON", "Something between this page and the service changed it.", response.status);
  }
}

async function problemOf(response) {
  const wait = response.headers.get("Retry-After");
  const after = wait ? ` Try again in ${wait} s.` : "";
  const document = await response.json().catch(() => ({}));
  const title = TITLES[response.status] ?? document.title ?? `The service answered ${response.status}`;
  return new Problem(title, detailOf(document) + after, response.status);
}

/** What is wrong; of several complaints each on a line of its own. */
function detailOf({ detail = "", errors = [] }) {
  if (errors.length < 2) return detail;
  return errors.map(({ location, given, allowed }) => `${location}: ${allowed}; got ${given}`).join("\n");
}

/** The same request for a shell; the key is left to the reader's environment. */
export function asCurl(path, body) {
  const quoted = JSON.stringify(body, null, 2).replaceAll("'", "'\\''");
  const key = sessionStorage.getItem(KEY) ? " \\\n  -H \"Authorization: Bearer $BEARING_API_KEY\"" : "";
  return `curl ${new URL(path, BASE)}${key} \\\n  -H 'Content-Type: application/json' \\\n  -d '${quoted}'`;
}
