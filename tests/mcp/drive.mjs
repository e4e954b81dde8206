// The checks of node.py with the official TypeScript clients: the package that
// knows the revisions up to 2025-11-25, and the one that knows 2026-07-28.
//
//     node drive.mjs NPM '{"skillhost", "config", "audit", "origin", "url", "headers"}'

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { setTimeout as pause } from "node:timers/promises";

const require = createRequire(`${process.argv[2]}/package.json`);
const world = JSON.parse(process.argv[3]);

// Nothing that is waited for takes nearly so long, in milliseconds.
const PATIENCE = 30_000;

// Runs until its limits end it, a minute later.
const ENDLESS = { expression: "last(range(1e12))", data: "null" };

const TOOLS = ["file-search_search", "http-fetch_fetch", "json-query_query", "text-stats_analyze"];

const IMPLEMENTATION = { name: "drive", version: "1" };

const stdio = { command: world.skillhost, args: ["serve", "--config", world.config], env: process.env, stderr: "ignore" };
const http = [new URL(world.url), { requestInit: { headers: world.headers } }];

const packages = [first(), second()];

// Version 1, which has a handshake.
function first() {
  const { Client } = require("@modelcontextprotocol/sdk/client/index.js");
  const { StdioClientTransport } = require("@modelcontextprotocol/sdk/client/stdio.js");
  const { StreamableHTTPClientTransport } = require("@modelcontextprotocol/sdk/client/streamableHttp.js");
  return {
    name: "sdk",
    version: "2025-11-25",
    client: () => new Client(IMPLEMENTATION),
    call: (client, params, options) => client.callTool(params, undefined, options),
    transports: { stdio: () => new StdioClientTransport(stdio), HTTP: () => new StreamableHTTPClientTransport(...http) },
  };
}

// Version 2, held to the revision that has none.
function second() {
  const { Client, StreamableHTTPClientTransport } = require("@modelcontextprotocol/client");
  const { StdioClientTransport } = require("@modelcontextprotocol/client/stdio");
  const version = "2026-07-28";
  return {
    name: "client",
    version,
    client: () => new Client(IMPLEMENTATION, { versionNegotiation: { mode: { pin: version } } }),
    call: (client, params, options) => client.callTool(params, options),
    transports: { stdio: () => new StdioClientTransport(stdio), HTTP: () => new StreamableHTTPClientTransport(...http) },
  };
}

async function lists(client) {
  const { tools } = await client.listTools();
  const found = tools.filter((tool) => TOOLS.includes(tool.name));
  ok("the tools of the four skills are listed", found.map((tool) => tool.name).sort(), TOOLS);
  const told = (tool) => tool.title && tool.description && tool.outputSchema && tool.inputSchema.type === "object";
  ok("each has title, description and schemas", found.filter((tool) => !told(tool)), []);
}

async function answers(call) {
  const stats = await call("text-stats_analyze", { text: "One two three. Four five." });
  ok("text-stats counts words", stats.structuredContent.words, 5);
  ok("an answer names its call", stats._meta["dev.skillhost/invocation"].length, 32);
  const query = await call("json-query_query", { expression: ".a[]", value: { a: [1, { b: 2 }] } });
  ok("json-query finds", query.structuredContent, { results: [1, { b: 2 }], truncated: false });
  const search = await call("file-search_search", { pattern: "need.e", glob: "notes.txt" });
  ok("file-search finds", search.structuredContent.matches.map((match) => match.path), ["/docs/notes.txt"]);
  const page = await call("http-fetch_fetch", { url: `${world.origin}/` });
  ok("http-fetch fetches", [page.structuredContent.status, page.structuredContent.title], [200, "A page"]);
}

async function failures(call) {
  const wrong = await call("text-stats_analyze", { text: 5 });
  ok("wrong arguments are a result", [wrong.isError, wrong._meta["dev.skillhost/kind"]], [true, "InvalidInput"]);
  const denied = await call("http-fetch_fetch", { url: "http://127.0.0.1:1/" });
  ok("what is not granted is denied", denied._meta["dev.skillhost/kind"], "Denied");
  ok("the missing grant is named", denied.content[0].text.includes("--allow-http http://127.0.0.1:1"), true);
  await assert.rejects(call("no-such_tool", {}), { code: -32602 });
  ok("there is no other tool", true, true);
}

async function progress(call) {
  const reports = [];
  const onprogress = ({ progress, message }) => reports.push([progress, message]);
  await call("file-search_search", { pattern: "absent" }, { onprogress });
  ok("progress is reported", reports, [[256, "files searched"], [512, "files searched"]]);
}

async function cancellation(call) {
  const before = events().length;
  const given = new AbortController();
  const ended = call("json-query_query", ENDLESS, { signal: given.signal }).then(() => "answered", () => "given up");
  await eventually(() => names(before).includes("invocation.started"));
  given.abort("enough");
  ok("a call can be given up", await ended, "given up");
  await eventually(() => names(before).includes("invocation.finished"));
  const finished = events().slice(before).filter((event) => event.event === "invocation.finished");
  ok("it is stopped and recorded", finished.map((event) => event.kind), ["Cancelled"]);
  const after = await call("text-stats_analyze", { text: "still here" });
  ok("the session goes on", after.structuredContent.words, 2);
}

function events() {
  if (!existsSync(world.audit)) return [];
  return readFileSync(world.audit, "utf8").split("\n").filter(Boolean).map((line) => JSON.parse(line));
}

function names(before) {
  return events().slice(before).map((event) => event.event);
}

async function eventually(holds) {
  const deadline = Date.now() + PATIENCE;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error("what was waited for did not happen");
    await pause(20);
  }
}

function ok(what, found, expected) {
  assert.deepEqual(found, expected, what);
  console.log(`ok  ${what}`);
}

for (const { name, version, client: open, call, transports } of packages) {
  for (const [way, transport] of Object.entries(transports)) {
    console.log(`-- @modelcontextprotocol/${name}, MCP ${version}, ${way}`);
    const client = open();
    await client.connect(transport());
    const calls = (tool, input, options) => call(client, { name: tool, arguments: input }, options);
    await lists(client);
    await answers(calls);
    await failures(calls);
    await progress(calls);
    // Version 1 leaves a request over HTTP open and sends a notification, of which
    // nobody could say whose call it means.
    if (way !== "HTTP" || name !== "sdk") await cancellation(calls);
    await client.close();
  }
}
