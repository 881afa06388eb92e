// SPDX-License-Identifier: Apache-2.0
// Records a trace with LangGraph.js: builds the graph of a description,
// performs its steps, and writes what came out in the format of the recorded
// traces (tests/golden/engine/more-*). Ids are numbered by first appearance.
//
//   npm i @langchain/langgraph@1.7.3 @langchain/core@1.4.0 \
//         @langchain/langgraph-checkpoint@1.2.2 zod      (in LIBRARY)
//   node record.mjs LIBRARY SCENARIO.json > TRACE.json
//
// LIBRARY also holds dsl.mjs, which builds a graph from its description.
// SCENARIO: {name, about, graphs, steps}.
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import url from "node:url";

const library = path.resolve(process.argv[2]);
const scenario = JSON.parse(fs.readFileSync(process.argv[3], "utf8"));
const load = (file) => import(url.pathToFileURL(path.join(library, file)));
const resolve = createRequire(path.join(library, "package.json")).resolve;
const { buildGraph, ev } = await load("dsl.mjs");
const { isBaseMessage } = await import(url.pathToFileURL(resolve("@langchain/core/messages")));
const streams = await load("node_modules/@langchain/langgraph/dist/pregel/stream.js");

const MODES = ["values", "updates", "messages", "custom", "checkpoints", "tasks", "debug"];
const MESSAGE_KEYS = [
  "status", "artifact", "tool_call_id", "id", "content", "name", "usage_metadata", "metadata",
  "tool_calls", "invalid_tool_calls", "tool_call_chunks", "additional_kwargs", "response_metadata",
];

// The library throws away what is queued when a run fails: let it be read.
const { prototype } = streams.IterableReadableWritableStream;
const failNow = prototype.error;
prototype.error = function (error) {
  setTimeout(() => failNow.call(this, error), 60);
};

// --- plain JSON ---------------------------------------------------------------
function plainMessage(m) {
  const out = {};
  for (const key of MESSAGE_KEYS) {
    if (m[key] !== undefined) out[key] = plain(m[key]);
  }
  return { ...out, type: m.getType() };
}

function plain(x) {
  if (x === null || typeof x !== "object") return x;
  if (isBaseMessage(x)) return plainMessage(x);
  if (x instanceof Error) return { message: x.message, name: x.name };
  if (Array.isArray(x)) return x.map(plain);
  if (x.lg_name === "Send") return { node: x.node, arg: plain(x.args) };
  if (x.constructor?.name === "Overwrite") return { __overwrite__: plain(x.value) };
  const hidden = (k, v) =>
    v === undefined || typeof v === "function" || k.startsWith("__pregel") ||
    ["callbacks", "signal", "store", "runtime"].includes(k);
  const kept = Object.entries(x).filter(([k, v]) => !hidden(k, v));
  return Object.fromEntries(kept.map(([k, v]) => [k, plain(v)]));
}

const plainTask = (t) => ({
  id: t.id,
  name: t.name,
  path: t.path,
  error: t.error,
  interrupts: t.interrupts,
  state: t.state?.values === undefined ? t.state : plainState(t.state),
  result: t.result,
});
const plainState = (s) => ({
  values: s.values,
  next: s.next,
  tasks: s.tasks.map(plainTask),
  metadata: s.metadata,
  config: s.config,
  created_at: s.createdAt,
  parent_config: s.parentConfig,
});

// --- ids ------------------------------------------------------------------------
const IDS =
  /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g;
const numbers = { uuid: new Map(), xxh3: new Map() };

function numberId(id) {
  if (/^\d{4}-\d\d-\d\dT/.test(id)) return "<ts>";
  if (/^(0{8}|1{8})-/.test(id)) return id;
  const kind = id.includes("-") ? "uuid" : "xxh3";
  const known = numbers[kind];
  if (!known.has(id)) known.set(id, known.size + 1);
  return `<${kind}:${known.get(id)}>`;
}

function renumber(x) {
  if (typeof x === "string") return x.replace(IDS, numberId);
  if (Array.isArray(x)) return x.map(renumber);
  if (x === null || typeof x !== "object") return x;
  return Object.fromEntries(Object.entries(x).map(([k, v]) => [renumber(k), renumber(v)]));
}

const shown = (x) => renumber(plain(x));

// --- steps ----------------------------------------------------------------------
const graph = buildGraph(scenario.graphs, "main", {});
const saved = {};
const evaluate = (expr) => ev(expr, { state: {}, vars: {} });

function configOf(step) {
  const config = { configurable: { thread_id: step.thread ?? "t1", ...step.configurable } };
  for (const key of ["metadata", "tags"]) {
    if (step[key]) config[key] = step[key];
  }
  if (step.recursion_limit) config.recursionLimit = step.recursion_limit;
  if (step.run_id) config.runId = step.run_id;
  return config;
}

async function history(config, options) {
  const all = [];
  for await (const state of graph.getStateHistory(config, options)) all.push(state);
  return all;
}

async function reference(ref, config) {
  return ref.$saved ? saved[ref.$saved] : (await history(config))[ref.$history.index].config;
}

async function inputOf(step, config) {
  const command = step.input?.$command;
  const answers = command?.resume?.$resume_map;
  if (!answers) return evaluate(step.input);
  const { tasks } = await graph.getState(config);
  const pending = tasks.flatMap((t) => t.interrupts);
  const idOf = (question) => pending.find((i) => i.value === question).id;
  const byId = Object.fromEntries(Object.entries(answers).map(([q, v]) => [idOf(q), v]));
  return evaluate({ $command: { ...command, resume: { $lit: byId } } });
}

function runOptions(step, config) {
  const names = { interrupt_before: "interruptBefore", interrupt_after: "interruptAfter", durability: "durability" };
  const given = Object.entries(names).filter(([key]) => step[key]);
  return { ...config, ...Object.fromEntries(given.map(([key, name]) => [name, step[key]])) };
}

const operations = {
  async stream(step, config, out) {
    const subgraphs = step.subgraphs ?? true;
    out.events = [];
    const options = { ...runOptions(step, config), streamMode: MODES, subgraphs };
    for await (const event of await graph.stream(await inputOf(step, config), options)) {
      const [ns, mode, payload] = subgraphs ? event : [null, ...event];
      out.events.push(shown([ns, mode, payload]));
    }
  },
  async invoke(step, config, out) {
    out.output = shown(await graph.invoke(await inputOf(step, config), runOptions(step, config)));
  },
  async get_state(step, config, out) {
    const state = await graph.getState(config, { subgraphs: step.subgraphs ?? false });
    out.state = shown(plainState(state));
  },
  async get_history(step, config, out) {
    const options = { limit: step.limit, filter: step.filter };
    if (step.before) options.before = await reference(step.before, config);
    out.history = (await history(config, options)).map((s) => shown(plainState(s)));
  },
  async update_state(step, config, out) {
    const made = await graph.updateState(config, evaluate(step.values), step.as_node);
    if (step.save_as) saved[step.save_as] = made;
    out.config = shown(made);
  },
  async bulk_update(step, config, out) {
    const updates = (s) => s.map((u) => ({ values: evaluate(u.values), asNode: u.as_node }));
    const supersteps = step.supersteps.map((s) => ({ updates: updates(s) }));
    out.config = shown(await graph.bulkUpdateState(config, supersteps));
  },
};

const results = [];
for (const step of scenario.steps) {
  const out = { step };
  try {
    const config = configOf(step);
    if (step.checkpoint) {
      Object.assign(config.configurable, (await reference(step.checkpoint, config)).configurable);
    }
    await operations[step.op](step, config, out);
  } catch (error) {
    out.error = renumber({ name: error.name, message: error.message });
  }
  results.push(out);
}

const versionOf = (name) => JSON.parse(fs.readFileSync(path.join(library, "node_modules", name, "package.json"))).version;
const used = ["@langchain/langgraph", "@langchain/core", "@langchain/langgraph-checkpoint"];
const { name, about, graphs } = scenario;
const versions = Object.fromEntries(used.map((n) => [n, versionOf(n)]));
const trace = { format: 1, name, about: about ?? "", library: versions, graphs, results };
process.stdout.write(JSON.stringify(trace) + "\n");
