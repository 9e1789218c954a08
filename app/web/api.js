// The public API, and nothing else: requests, problems in words, and the key of this tab.

const KEY = "bearing-key";
const BASE = new URL(".", document.baseURI);

/** What a status means to someone who searches. */
const TITLES = {
  400: "The request could not be read",
  401: "A key is needed",
  403: "Not allowed with this key",
  404: "Not found",
  413: "Too large",
  422: "Not accepted",
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

/** The address of a path of the service. */
export const urlOf = (path) => new URL(path, BASE).href;

/** The bytes that the service has at a path, asked for with the tab's key. */
export async function bytesOf(path) {
  const response = await reach(path, "GET", undefined, undefined, sessionStorage.getItem(KEY));
  if (!response.ok) throw await problemOf(response);
  return response.blob();
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

/**
 * The last line of an answer in JSON Lines, once it has come; each line is heard as it comes.
 * @param {string} path
 * @param {unknown} body
 * @param {(line: object) => void} hear
 */
export async function job(path, body, hear) {
  for (;;) {
    const key = sessionStorage.getItem(KEY);
    const response = await reach(path, "POST", body, undefined, key);
    if (response.status === 401 && (await obtainKey(key))) continue;
    if (!response.ok) throw await problemOf(response);
    const last = await lastLine(response, hear);
    if (last.event !== "failed") return last;
    throw problemFrom(last.problem.status, null, last.problem);
  }
}

async function lastLine(response, hear) {
  let [last, rest] = [{}, ""];
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    const lines = (rest + part.value).split("\n");
    rest = lines.pop();
    for (const line of lines.filter(Boolean)) hear((last = JSON.parse(line)));
  }
  return last;
}

/** Several requests may find that a key is needed; the reader is asked once. */
async function obtainKey(refused) {
  if (sessionStorage.getItem(KEY) !== refused) return true;
  asking ??= askForKey(refused !== null).finally(() => (asking = null));
  const key = await asking;
  if (key) sessionStorage.setItem(KEY, key);
  return Boolean(key);
}

/**
 * Sends a file as it is; resolves once the service has answered it all. Asks for a key where one is needed.
 * @param {string} path
 * @param {Blob} file
 * @param {{sent: (share: number) => void, hear: (line: object) => void, signal: AbortSignal}} options told how much is sent, and each line of the answer as it comes
 */
export async function send(path, file, { sent, hear, signal }) {
  for (;;) {
    const key = sessionStorage.getItem(KEY);
    const { status, wait, text } = await transmit(path, file, key, sent, hear, signal);
    if (status === 200) return;
    if (status !== 401 || !(await obtainKey(key))) throw problemFrom(status, wait, jsonOf(text));
  }
}

/** fetch does not tell how much of a body is sent; this does. */
function transmit(path, file, key, sent, hear, signal) {
  return new Promise((resolve, reject) => {
    const call = new XMLHttpRequest();
    let heard = 0;
    const listen = () => {
      if (call.status !== 200) return;
      const end = call.responseText.lastIndexOf("\n") + 1;
      for (const line of call.responseText.slice(heard, end).split("\n")) if (line) hear(JSON.parse(line));
      heard = end;
    };
    call.upload.addEventListener("progress", ({ loaded, total }) => sent(total ? loaded / total : 1));
    call.addEventListener("progress", listen);
    call.addEventListener("load", () => (listen(), resolve({ status: call.status, wait: call.getResponseHeader("Retry-After"), text: call.responseText })));
    call.addEventListener("error", () => reject(new Problem("The service does not answer", "It ended the connection, or is not reached. Check it, then try again.")));
    call.addEventListener("abort", () => reject(new DOMException("Stopped", "AbortError")));
    signal.addEventListener("abort", () => call.abort());
    call.open("POST", new URL(path, BASE));
    call.setRequestHeader("Content-Type", "application/octet-stream");
    if (key) call.setRequestHeader("Authorization", `Bearer ${key}`);
    call.send(file);
  });
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

const problemOf = async (response) => problemFrom(response.status, response.headers.get("Retry-After"), jsonOf(await response.text().catch(() => "")));

function problemFrom(status, wait, document) {
  const after = wait ? ` Try again in ${wait} s.` : "";
  const title = TITLES[status] ?? document.title ?? `The service answered ${status}`;
  return new Problem(title, detailOf(document) + after, status);
}

/** What a text says as JSON, an empty object if it is none. */
function jsonOf(text) {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
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
