#!/usr/bin/env bash
# What: OpenAIEmbeddings of LangChain for JavaScript, told to have vectors sent as base64, gives
# that text in place of numbers; without being told so it asks for base64 too, and decodes it.
# Versions: @langchain/openai 1.5.8, @langchain/core 1.4.0, openai 6.49.0.
# Seen on: Linux x86-64, Node.js 20.20.
# By the docs: encodingFormat is "the format to return the embeddings in. Can be either 'float' or
# 'base64'"; embedQuery gives a Promise<number[]>.
# Seen: embedQuery gives a string with encodingFormat "base64", and numbers with "float" or none.
#
# Exit status: 0 while it is as seen, 1 once it is not.
set -euo pipefail

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund \
  @langchain/openai@1.5.8 @langchain/core@1.4.0 openai@6.49.0

cat >program.mjs <<'PROGRAM'
import { createServer } from "node:http";
import { readFileSync } from "node:fs";
import { OpenAIEmbeddings } from "@langchain/openai";

const version = (name) => JSON.parse(readFileSync(`node_modules/${name}/package.json`)).version;
console.log("@langchain/openai", version("@langchain/openai"), "openai", version("openai"));
const vector = [0.6000000238418579, 0.800000011920929]; // as float32 has them

const server = createServer(async (request, response) => {
  let body = "";
  for await (const piece of request) body += piece;
  const { encoding_format: format } = JSON.parse(body);
  const packed = Buffer.from(Float32Array.from(vector).buffer).toString("base64");
  const embedding = format === "base64" ? packed : vector;
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify({ object: "list", data: [{ object: "embedding", index: 0, embedding }] }));
});
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));

const given = {};
for (const encodingFormat of [undefined, "float", "base64"]) {
  const baseURL = `http://127.0.0.1:${server.address().port}/v1`;
  const model = new OpenAIEmbeddings({ model: "m", apiKey: "none", configuration: { baseURL }, encodingFormat });
  given[encodingFormat] = await model.embedQuery("a cat");
  console.log("encodingFormat", encodingFormat, "->", given[encodingFormat]);
}
server.close();
const isVector = (found) => Array.isArray(found) && found.every((number, place) => number === vector[place]);
const seen = isVector(given.undefined) && isVector(given.float) && typeof given.base64 === "string";
if (!seen) console.error("it is no longer as it was seen");
process.exit(seen ? 0 : 1);
PROGRAM
node program.mjs
