// SPDX-License-Identifier: Apache-2.0
// The rest of the JavaScript SDK: resources, errors, reconnecting. Each case
// throws when something is wrong; test_javascript.py shows them one by one.
import assert from "node:assert/strict";
import net from "node:net";
import { Client, apiUrl, collect, main, report } from "./sdk.mjs";

const options = { callerOptions: { maxRetries: 0 } };
const client = new Client({ apiUrl, ...options });
const hello = { messages: [{ role: "human", content: "hello", id: "m1" }] };
const long = { ...hello, sleep: { steps: 1000, ms: 20 } };

async function status(promise) {
  try {
    await promise;
  } catch (error) {
    return error.status ?? Number(/HTTP (\d+)/.exec(error.message)?.[1]);
  }
  return 200;
}

const events = (parts) => parts.map(([event]) => event);

report("threads", async () => {
  const made = await client.threads.create({ metadata: { a: 1 }, graphId: "agent" });
  assert.deepEqual(await client.threads.get(made.thread_id), made);
  assert.equal(made.metadata.graph_id, "agent");
  const patched = await client.threads.update(made.thread_id, { metadata: { b: 2 } });
  assert.deepEqual(patched.metadata, { ...made.metadata, b: 2 });
  const found = await client.threads.search({ metadata: { a: 1, b: 2 }, limit: 1 });
  assert.equal(found[0].thread_id, made.thread_id);
  const copy = await client.threads.copy(made.thread_id);
  assert.notEqual(copy.thread_id, made.thread_id);
  await client.threads.delete(made.thread_id);
  assert.equal(await status(client.threads.get(made.thread_id)), 404);
  assert.equal(await status(client.threads.create({ threadId: copy.thread_id })), 409);
  const same = await client.threads.create({ threadId: copy.thread_id, ifExists: "do_nothing" });
  assert.equal(same.thread_id, copy.thread_id);
});

report("state and history", async () => {
  const { thread_id: id } = await client.threads.create();
  await client.runs.wait(id, "chain10", { input: { x: 0 } });
  const state = await client.threads.getState(id);
  assert.deepEqual(state.values, { x: 10 });
  const history = await client.threads.getHistory(id, { limit: 100 });
  assert.equal(history.length, 12);
  assert.deepEqual(history[0], state);
  const older = await client.threads.getHistory(id, {
    limit: 100,
    before: { configurable: { checkpoint_id: history[3].checkpoint.checkpoint_id } },
  });
  assert.deepEqual(older, history.slice(4));
  assert.deepEqual(await client.threads.getState(id, history[5].checkpoint), history[5]);
  await client.threads.updateState(id, { values: { x: 50 }, asNode: "n8" });
  assert.deepEqual((await client.threads.getState(id)).next, ["n9"]);
  const end = await client.runs.wait(id, "chain10", { input: null });
  assert.deepEqual(end, { x: 51 });
});

report("assistants", async () => {
  const made = await client.assistants.create({ graphId: "simple_runtime", name: "js",
    context: { model: "openai" } });
  assert.equal(made.version, 1);
  assert.deepEqual(await client.assistants.get(made.assistant_id), made);
  const second = await client.assistants.update(made.assistant_id, { name: "js two" });
  assert.deepEqual([second.version, second.name], [2, "js two"]);
  const versions = await client.assistants.getVersions(made.assistant_id);
  assert.deepEqual(versions.map((v) => v.version), [2, 1]);
  const back = await client.assistants.setLatest(made.assistant_id, 1);
  assert.equal(back.name, "js");
  assert.deepEqual(await client.runs.wait(null, made.assistant_id, { input: {} }),
    { model: "openai" });
  const graph = await client.assistants.getGraph("agent");
  assert.ok(graph.nodes.some((n) => n.id === "tool"));
  const schemas = await client.assistants.getSchemas("agent");
  assert.equal(schemas.graph_id, "agent");
  const page = await client.assistants.search({ limit: 1, includePagination: true });
  assert.equal(page.assistants.length, 1);
  assert.equal(page.next, "1");
  await client.assistants.delete(made.assistant_id);
  assert.equal(await status(client.assistants.get(made.assistant_id)), 404);
});

report("every method of assistants", async () => {
  const metadata = { mark: crypto.randomUUID() };
  const made = await client.assistants.create({ graphId: "agent", config: { tags: ["t"] },
    context: { k: 1 }, metadata, assistantId: crypto.randomUUID(), ifExists: "raise",
    name: "First of All", description: "about" });
  const { created_at, updated_at, ...rest } = made;
  assert.deepEqual(rest, { assistant_id: made.assistant_id, graph_id: "agent",
    config: { tags: ["t"] }, context: { k: 1 }, metadata, version: 1, name: "First of All",
    description: "about" });
  const id = made.assistant_id;
  assert.deepEqual(await client.assistants.get(id), made);
  assert.equal(await status(client.assistants.create({ graphId: "agent", assistantId: id })), 409);
  assert.deepEqual(await client.assistants.create({ graphId: "agent", assistantId: id,
    ifExists: "do_nothing" }), made);
  const second = await client.assistants.update(id, { graphId: "agent", metadata: { b: 2 } });
  assert.deepEqual(second.metadata, { ...metadata, b: 2 });
  const versions = await client.assistants.getVersions(id, { limit: 5, offset: 0 });
  assert.deepEqual(versions.map((v) => v.version), [2, 1]);
  assert.deepEqual(await client.assistants.getVersions(id, { metadata: { b: 2 } }),
    versions.slice(0, 1));
  const back = await client.assistants.setLatest(id, 1);
  assert.deepEqual({ ...back, updated_at }, made);
  const query = { metadata, graphId: "agent", name: "first" };
  assert.deepEqual(await client.assistants.search({ ...query, select: ["version"],
    sortBy: "name", sortOrder: "asc" }), [{ version: 1 }]);
  assert.equal(await client.assistants.count(query), 1);
  const drawn = await client.assistants.getGraph("weather", { xray: true });
  assert.ok(drawn.nodes.length > (await client.assistants.getGraph("weather")).nodes.length);
  const inner = await client.assistants.getSubgraphs("weather", { recurse: true });
  const [name] = Object.keys(inner);
  assert.deepEqual(await client.assistants.getSubgraphs("weather", { namespace: name }),
    { [name]: inner[name] });
  assert.equal((await client.assistants.getSchemas(id)).graph_id, "agent");
  await client.assistants.delete(id, { deleteThreads: true });
  assert.equal(await client.assistants.count(query), 0);
});

report("every method of threads", async () => {
  const mark = crypto.randomUUID();
  const made = await client.threads.create({ metadata: { mark }, threadId: crypto.randomUUID(),
    ifExists: "raise", graphId: "chain10", ttl: 60,
    supersteps: [{ updates: [{ values: { x: 1 }, asNode: "__start__" }] }] });
  const id = made.thread_id;
  assert.deepEqual([made.status, made.values, made.metadata],
    ["idle", { x: 1 }, { mark, graph_id: "chain10" }]);
  const shown = await client.threads.get(id, { include: ["ttl"] });
  assert.equal(shown.ttl.ttl_minutes, 60);
  const { ttl, ...bare } = shown;
  assert.deepEqual(bare, await client.threads.get(id));
  assert.deepEqual((await client.threads.update(id, { metadata: { n: 1 } })).metadata,
    { ...made.metadata, n: 1 });
  assert.equal(await client.threads.update(id, { metadata: { n: 2 }, returnMinimal: true }) ?? null,
    null);
  await client.threads.patchState(id, { p: 1 });
  await client.runs.wait(id, "chain10", { input: { x: 0 } });
  const history = await client.threads.getHistory(id, { limit: 100 });
  assert.deepEqual(await client.threads.getState(id), history[0]);
  const at = history[4].checkpoint;
  assert.deepEqual(await client.threads.getState(id, at, { subgraphs: true }), history[4]);
  assert.deepEqual(await client.threads.getState(id, at.checkpoint_id), history[4]);
  assert.deepEqual(await client.threads.getHistory(id, { limit: 2, metadata: { source: "loop" },
    before: { configurable: { checkpoint_id: at.checkpoint_id } },
    checkpoint: { checkpoint_ns: "" } }), history.slice(5, 7));
  const forked = await client.threads.updateState(id, { values: { x: 100 }, asNode: "n7",
    checkpointId: at.checkpoint_id });
  assert.deepEqual(Object.keys(forked), ["checkpoint"]);
  const found = await client.threads.search({ metadata: { mark, p: 1 }, values: { x: 100 },
    ids: [id], status: "idle", limit: 1, offset: 0, sortBy: "updated_at", sortOrder: "asc",
    select: ["thread_id"], extract: { x: "values.x" } });
  assert.deepEqual(found, [{ thread_id: id, extracted: { x: 100 } }]);
  const copy = await client.threads.copy(id);
  assert.deepEqual(copy.values, { x: 100 });
  assert.equal(await client.threads.count({ metadata: { mark }, values: { x: 100 } }), 2);
  assert.deepEqual(await client.threads.prune([copy.thread_id], { strategy: "keep_latest" }),
    { pruned_count: 1 });
  assert.equal((await client.threads.getHistory(copy.thread_id)).length, 1);
  assert.deepEqual(await client.threads.prune([copy.thread_id, id]), { pruned_count: 2 });
  assert.equal(await status(client.threads.get(id)), 404);
});

report("store", async () => {
  await client.store.putItem(["js", "space"], "k", { v: [1, { w: null }] });
  const item = await client.store.getItem(["js", "space"], "k");
  assert.deepEqual([item.key, item.namespace, item.value],
    ["k", ["js", "space"], { v: [1, { w: null }] }]);
  const found = await client.store.searchItems(["js"]);
  assert.deepEqual(found.items.map((i) => i.key), ["k"]);
  const spaces = await client.store.listNamespaces({ prefix: ["js"] });
  assert.deepEqual(spaces.namespaces, [["js", "space"]]);
  await client.store.deleteItem(["js", "space"], "k");
  assert.equal(await client.store.getItem(["js", "space"], "k"), null);
});

report("runs", async () => {
  const { thread_id: id } = await client.threads.create();
  const run = await client.runs.create(id, "trivial", { input: { x: 1 } });
  assert.deepEqual(await client.runs.join(id, run.run_id), { x: 2 });
  const read = await client.runs.get(id, run.run_id);
  assert.equal(read.status, "success");
  assert.deepEqual(await client.runs.list(id), [read]);
  await client.runs.delete(id, run.run_id);
  assert.equal(await status(client.runs.get(id, run.run_id)), 404);
});

report("runs in bulk", async () => {
  const { thread_id: id } = await client.threads.create();
  const slow = { input: { ms: 60000 } };
  const runs = [];
  for (let i = 0; i < 3; i++) {
    runs.push(await client.runs.create(id, "sleeper", slow));
  }
  assert.deepEqual((await client.runs.list(id, { limit: 2, offset: 1, select: ["run_id"] })),
    [{ run_id: runs[1].run_id }, { run_id: runs[0].run_id }]);
  await client.runs.cancelMany({ threadId: id, runIds: runs.map((run) => run.run_id) });
  for (const run of runs) {
    await client.runs.join(id, run.run_id);
    assert.equal((await client.runs.get(id, run.run_id)).status, "interrupted");
  }
  assert.equal((await client.runs.list(id, { status: "interrupted" })).length, 3);
  assert.equal(await status(client.runs.cancelMany({
    threadId: id, runIds: ["00000000-0000-4000-8000-000000000000"] })), 404);
});

report("thread stream", async () => {
  const { thread_id: id } = await client.threads.create();
  await client.runs.wait(id, "trivial", { input: { x: 1 } });
  const seen = [];
  for await (const part of client.threads.joinStream(id, {
    lastEventId: "-", streamMode: ["lifecycle", "state_update"] })) {
    seen.push(part);
    if (seen.length === 3) break;
  }
  assert.deepEqual(events(seen.map((part) => [part.event])),
    ["metadata", "run_done", "state_update"]);
  assert.deepEqual(seen[1].data, {
    run_id: seen[0].data.run_id, thread_id: id, status: "success" });
  assert.deepEqual(seen[2].data.values, { x: 2 });
});

report("batch", async () => {
  const batch = await client.runs.createBatch([
    { assistantId: "trivial", input: { x: 1 } }, { assistantId: "trivial", input: { x: 2 } }]);
  assert.equal(batch.length, 2);
});

report("runs without a thread", async () => {
  const run = await client.runs.create(null, "trivial", { input: { x: 1 }, metadata: { a: 1 } });
  assert.deepEqual([run.status, run.metadata.a, run.kwargs.temporary], ["pending", 1, true]);
  const parts = await collect(client.runs.joinStream(null, run.run_id, {
    lastEventId: "-1", streamMode: ["values"] }));
  assert.deepEqual(parts, [["metadata", { run_id: run.run_id, attempt: 1 }],
    ["values", { x: 1 }], ["values", { x: 2 }]]);
});

report("crons", async () => {
  const { thread_id: id } = await client.threads.create();
  const made = await client.crons.createForThread(id, "trivial", {
    schedule: "0 9 * * 1", timezone: "Asia/Tokyo", input: { x: 1 }, metadata: { a: 1 } });
  const { cron_id, assistant_id, created_at, updated_at, next_run_date, ...rest } = made;
  assert.deepEqual(rest, {
    thread_id: id, on_run_completed: null, end_time: null, schedule: "0 9 * * 1",
    timezone: "Asia/Tokyo", user_id: null, enabled: true, metadata: { a: 1 },
    payload: { assistant_id: "trivial", input: { x: 1 }, metadata: { a: 1 } } });
  const next = new Date(next_run_date);
  assert.deepEqual([next.getUTCDay(), next.getUTCHours(), next.getUTCMinutes()], [1, 0, 0]);
  const changed = await client.crons.update(cron_id, {
    schedule: "30 9 * * 1", enabled: false, metadata: { b: 2 } });
  assert.equal(new Date(changed.next_run_date) - next, 30 * 60 * 1000);
  assert.deepEqual(changed, { ...made, schedule: "30 9 * * 1", enabled: false,
    metadata: { a: 1, b: 2 }, updated_at: changed.updated_at,
    next_run_date: changed.next_run_date,
    payload: { ...made.payload, metadata: { a: 1, b: 2 } } });
  assert.deepEqual(await client.crons.search({ threadId: id }), [changed]);
  assert.equal(await client.crons.count({ threadId: id, assistantId: assistant_id }), 1);
  await client.crons.delete(cron_id);
  assert.deepEqual(await client.crons.search({ threadId: id }), []);
  assert.equal(await status(client.crons.delete(cron_id)), 404);
  const plain = await client.crons.create("trivial", {
    schedule: "*/5 * * * *", onRunCompleted: "keep", webhook: "https://example.com/x" });
  assert.equal(plain.thread_id, null);
  assert.equal(plain.on_run_completed, "keep");
  assert.equal(plain.payload.webhook, "https://example.com/x");
  await client.crons.delete(plain.cron_id);
  assert.equal(await status(client.crons.create("trivial", { schedule: "bad" })), 422);
});

report("onRunCreated", async () => {
  const { thread_id: id } = await client.threads.create();
  const created = [];
  const parts = await collect(client.runs.stream(id, "trivial", {
    input: { x: 1 }, onRunCreated: (meta) => created.push(meta) }));
  assert.deepEqual(created, [{ run_id: parts[0][1].run_id, thread_id: id }]);
  const stateless = [];
  const other = await collect(client.runs.stream(null, "trivial", {
    input: { x: 1 }, onRunCreated: (meta) => stateless.push(meta.run_id) }));
  assert.deepEqual(stateless, [other[0][1].run_id]);
});

report("multitask", async () => {
  const { thread_id: id } = await client.threads.create();
  const run = await client.runs.create(id, "agent", { input: long });
  assert.equal(await status(client.runs.create(id, "agent", {
    input: hello, multitaskStrategy: "reject" })), 409);
  const end = await client.runs.wait(id, "agent", {
    input: hello, multitaskStrategy: "rollback" });
  assert.equal(end.messages.length, 4);
  assert.equal(await status(client.runs.get(id, run.run_id)), 404);
});

report("cancel", async () => {
  const { thread_id: id } = await client.threads.create();
  const run = await client.runs.create(id, "agent", { input: long });
  await client.runs.cancel(id, run.run_id, true, "interrupt");
  assert.equal((await client.runs.get(id, run.run_id)).status, "interrupted");
});

report("abort", async () => {
  // The user closes the page: with onDisconnect cancel the run stops.
  const { thread_id: id } = await client.threads.create();
  const stop = new AbortController();
  let runId;
  await assert.rejects(async () => {
    for await (const chunk of client.runs.stream(id, "agent", {
      input: long, streamMode: "custom", onDisconnect: "cancel", signal: stop.signal })) {
      runId ??= chunk.data.run_id;
      if (chunk.event === "custom") stop.abort();
    }
    stop.signal.throwIfAborted();
  });
  await client.runs.join(id, runId);
  assert.equal((await client.runs.get(id, runId)).status, "interrupted");
});

report("errors", async () => {
  const parts = await collect(client.runs.stream(null, "error", { input: hello }));
  assert.deepEqual(parts.at(-1), ["error", { error: "CustomError", message: "Boo!" }]);
  await assert.rejects(client.runs.wait(null, "error", { input: hello }), /Boo!/);
  assert.equal(await status(client.runs.wait(null, "nobody", { input: {} })), 404);
  assert.equal(await status(collect(client.runs.stream(null, "agent", {
    streamMode: "x" }))), 422);
});

report("interrupt", async () => {
  const { thread_id: id } = await client.threads.create();
  const first = await client.runs.wait(id, "agent", { input: { ...hello, interrupt: true } });
  assert.equal(first.__interrupt__[0].value, "i want to interrupt");
  const thread = await client.threads.get(id);
  assert.equal(thread.status, "interrupted");
  const end = await client.runs.wait(id, "agent", { command: { resume: true } });
  assert.equal(end.messages.at(-1).content, "end");
});

report("line separators", async () => {
  const end = await client.runs.wait(null, "agent_simple", { input: hello });
  assert.equal(end.messages.at(-1).content, "end\u2028");
  const parts = await collect(client.runs.stream(null, "agent_simple", {
    input: hello, streamMode: "values" }));
  assert.equal(parts.at(-1)[1].messages.at(-1).content, "end\u2028");
});

// A proxy that breaks the first event stream after so many bytes of it.
function cutter(after) {
  const to = new URL(apiUrl);
  const proxy = { cuts: 0 };
  const server = net.createServer((near) => {
    const far = net.connect(Number(to.port), to.hostname);
    let streamed = -1;
    near.on("data", (data) => far.write(data)).on("error", () => far.destroy());
    far.on("data", (data) => {
      near.write(data);
      if (streamed < 0 && data.includes("text/event-stream")) streamed = 0;
      if (streamed >= 0) streamed += data.length;
      if (proxy.cuts === 0 && streamed > after) {
        proxy.cuts += 1;
        setImmediate(() => near.resetAndDestroy());
        far.destroy();
      }
    });
    far.on("end", () => near.end()).on("error", () => near.destroy());
    near.on("close", () => far.destroy());
  });
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      proxy.url = `http://127.0.0.1:${server.address().port}`;
      proxy.close = () => server.close();
      resolve(proxy);
    });
  });
}

report("reconnect", async () => {
  const proxy = await cutter(2000);
  const through = new Client({ apiUrl: proxy.url, ...options });
  const { thread_id: id } = await client.threads.create();
  const parts = await collect(through.runs.stream(id, "agent", {
    input: { ...hello, sleep: { steps: 100, ms: 5 } }, streamMode: "custom" }));
  proxy.close();
  assert.equal(proxy.cuts, 1);
  assert.deepEqual(events(parts), ["metadata", ...Array(100).fill("custom")]);
  assert.deepEqual(parts.slice(1).map(([, data]) => data.step), [...Array(100).keys()]);
});

report("heartbeats make no events", async () => {
  const parts = await collect(client.runs.stream(null, "sleeper", {
    input: { ms: 1200 }, streamMode: ["custom"] }));
  assert.deepEqual(events(parts), ["metadata", "custom"]);
});

await main();
