// Lets a reader of /docs send a request of any of its routes, and shows what the service answers.

import { element, milliseconds, size } from "./dom.js";

const KEY = "bearing-key"; // as the page keeps it: in this tab only
const BASE = new URL(".", document.baseURI);
const DEEPEST = 6; // objects in objects in an example
const SHOWN = 200_000; // characters of an answer
const USUAL = { collection: "default", limit: "10" };

const openapi = await (await fetch(new URL("openapi.json", BASE))).json();
for (const place of document.querySelectorAll(".try")) place.addEventListener("toggle", () => place.querySelector("form") ?? place.append(formOf(place.dataset)));
document.querySelector("#key").replaceChildren(keyField());

function keyField() {
  const keep = ({ target }) => (target.value ? sessionStorage.setItem(KEY, target.value) : sessionStorage.removeItem(KEY));
  const input = element("input", { type: "password", autocomplete: "off", value: sessionStorage.getItem(KEY) ?? "", onchange: keep });
  return element("form", { autocomplete: "off", onsubmit: (event) => (event.preventDefault(), input.blur()) }, element("label", {}, "API key, where the service needs one; kept in this tab only ", input));
}

/** The form of a route: its parameters, its body, and where the answer is shown. */
function formOf({ method, path }) {
  const operation = openapi.paths[path][method];
  const parameters = (operation.parameters ?? []).filter((one) => one.in !== "header").map(parameterField);
  const body = bodyField(operation.requestBody, openapi);
  const answer = element("div", { className: "answer", role: "status" });
  const button = element("button", {}, `Send ${method.toUpperCase()}`);
  const form = element("form", {}, ...parameters.map(({ label }) => label), body?.label, button, answer);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (method === "delete" && !confirm(`${method.toUpperCase()} ${path}?`)) return;
    button.disabled = true;
    answer.replaceChildren(...(await send(method, addressOf(path, parameters), body?.read())));
    button.disabled = false;
  });
  return form;
}

function parameterField({ name, in: place, required, schema = {} }) {
  const options = schema.enum ?? schema.anyOf?.find((one) => one.enum)?.enum;
  const value = required ? (USUAL[name] ?? "") : "";
  const input = options ? element("select", { name }, element("option", { value: "" }), ...options.map((one) => element("option", {}, one))) : element("input", { name, value, required: Boolean(required), spellcheck: false });
  return { name, place, input, label: element("label", {}, element("code", {}, name), ` ${place}${required ? ", required" : ""}`, input) };
}

function addressOf(path, parameters) {
  const filled = path.replace(/{(\w+)}/g, (_, name) => encodeURIComponent(parameters.find((one) => one.name === name).input.value));
  const query = new URLSearchParams(parameters.filter(({ place, input }) => place === "query" && input.value !== "").map(({ name, input }) => [name, input.value]));
  return new URL(filled.slice(1) + (query.size ? `?${query}` : ""), BASE);
}

/** A field for JSON or another text, or for a file where the route takes bytes; nothing for a route without a body. */
function bodyField(described, document) {
  const [type, { schema = {} }] = Object.entries(described?.content ?? {})[0] ?? [null, {}];
  if (!type) return null;
  const isFile = type === "application/octet-stream";
  const example = type.includes("json") && !type.includes("ndjson") ? JSON.stringify(exampleOf(schema, document), null, 2) : "";
  const input = isFile ? element("input", { type: "file" }) : element("textarea", { rows: Math.min(16, example.split("\n").length + 1), value: example, spellcheck: false });
  return { label: element("label", {}, `Body, ${type}`, input), read: () => ({ type, content: isFile ? input.files[0] : input.value }) };
}

/** A value that a schema allows, as short as it can be: what is required, else the first field. */
function exampleOf(given, document, depth = 0) {
  const schema = given.$ref ? document.components.schemas[given.$ref.split("/").pop()] : given;
  if (schema.examples?.length) return schema.examples[0];
  const choice = (schema.anyOf ?? schema.oneOf ?? schema.allOf)?.find((one) => one.type !== "null");
  if (choice) return exampleOf(choice, document, depth);
  if ("const" in schema) return schema.const;
  if (schema.enum) return schema.enum[0];
  if (schema.type === "array") return depth > DEEPEST ? [] : [exampleOf(schema.items ?? {}, document, depth + 1)];
  if (schema.type === "object" || schema.properties) return objectOf(schema, document, depth);
  return { integer: 1, number: 0.5, boolean: true, string: "text" }[schema.type] ?? "text";
}

function objectOf({ properties = {}, required = Object.keys(properties).slice(0, 1) }, document, depth) {
  if (depth > DEEPEST) return {};
  return Object.fromEntries(required.map((name) => [name, exampleOf(properties[name] ?? {}, document, depth + 1)]));
}

async function send(method, address, body) {
  const key = sessionStorage.getItem(KEY);
  const headers = { ...(key && { Authorization: `Bearer ${key}` }), ...(body && { "Content-Type": body.type }) };
  const began = performance.now();
  try {
    const response = await fetch(address, { method: method.toUpperCase(), headers, body: body?.content, cache: "no-store" });
    const bytes = await response.arrayBuffer();
    return told(response, bytes, performance.now() - began, `${method.toUpperCase()} ${address}`);
  } catch (reason) {
    return [element("p", { className: "bad" }, `The service was not reached: ${reason.message}`)];
  }
}

function told(response, bytes, took, request) {
  const type = response.headers.get("Content-Type") ?? "";
  const line = `${response.status} ${response.statusText}, ${type || "no content"}, ${size(bytes.byteLength)} in ${milliseconds(took)}`;
  return [element("p", {}, element("code", {}, request)), element("p", { className: response.ok ? "good" : "bad" }, line), bytes.byteLength > 0 && element("pre", { tabIndex: 0 }, shown(type, bytes))].filter(Boolean);
}

function shown(type, bytes) {
  if (!/json|text|xml/.test(type)) return "(bytes)";
  const text = new TextDecoder().decode(bytes);
  const pretty = /json$|json;/.test(type) && !type.includes("ndjson") ? JSON.stringify(JSON.parse(text), null, 2) : text;
  return pretty.length > SHOWN ? `${pretty.slice(0, SHOWN)}\n\u2026` : pretty;
}
