// SPDX-License-Identifier: Apache-2.0
// The rows of engine.c with LangGraph.js: same graphs, same inputs, same lines
// in and out.
import { createInterface } from "node:readline";
import { AIMessage } from "@langchain/core/messages";
import {
  Annotation,
  END,
  MemorySaver,
  MessagesAnnotation,
  Send,
  START,
  StateGraph,
} from "@langchain/langgraph";

const CHAIN = 10;
const FAN = 100;
const SENDS = 1000;
const MESSAGES = 1000;
const WARM = 10;
const STEPS = 50;
const ITEM_BYTES = 100;

const Count = Annotation.Root({ x: Annotation() });
const Outs = Annotation.Root({
  x: Annotation(),
  out: Annotation({ reducer: (a, b) => a.concat(b), default: () => [] }),
});
const Big = Annotation.Root({ big: Annotation(), byte: Annotation() });

function now() {
  const cpu = process.cpuUsage();
  return { cpu: cpu.user + cpu.system, wall: performance.now() * 1000 };
}

// Time between two nodes of a long chain.
const clock = { cpu: 0, wall: 0, began: null };

function add(sum, began) {
  const ended = now();
  sum.cpu += ended.cpu - began.cpu;
  sum.wall += ended.wall - began.wall;
}

function chain() {
  const graph = new StateGraph(Count);
  let last = START;
  for (let i = 0; i < CHAIN; i++) {
    graph.addNode(`n${i}`, (state) => ({ x: state.x + 1 }));
    graph.addEdge(last, `n${i}`);
    last = `n${i}`;
  }
  return graph.addEdge(last, END);
}

function fan() {
  const graph = new StateGraph(Outs);
  for (let i = 0; i < FAN; i++) {
    graph.addNode(`n${i}`, (state) => ({ out: [state.x] }));
    graph.addEdge(START, `n${i}`);
  }
  return graph;
}

function sends() {
  const all = () =>
    Array.from({ length: SENDS }, (_, i) => new Send("work", { x: i }));
  return new StateGraph(Outs)
    .addNode("work", (state) => ({ out: [state.x] }))
    .addConditionalEdges(START, all, ["work"]);
}

function clocked(schema, node) {
  const graph = new StateGraph(schema);
  let last = START;
  for (let i = 0; i <= WARM + STEPS; i++) {
    graph.addNode(`n${i}`, (state) => {
      if (i === WARM) {
        clock.began = now();
      } else if (i === WARM + STEPS) {
        add(clock, clock.began);
      }
      return node(state);
    });
    graph.addEdge(last, `n${i}`);
    last = `n${i}`;
  }
  return graph;
}

const touch = (state) => ({ byte: state.byte === "a" ? "b" : "a" });
const say = () => ({ messages: [new AIMessage("and one more")] });
const sayOnce = () =>
  new StateGraph(MessagesAnnotation).addNode("say", say).addEdge(START, "say");

function big(n) {
  const text = "x".repeat(ITEM_BYTES - 16);
  const item = (_, i) => ({ text, number: i });
  return { byte: "a", big: Array.from({ length: n / ITEM_BYTES }, item) };
}

const messages = {
  messages: Array.from({ length: MESSAGES }, (_, i) => ({
    type: i % 2 === 0 ? "human" : "ai",
    id: `m${i}`,
    content: "a message of some length, as they are",
  })),
};

const touched = (n) => () => ({
  graph: clocked(Big, touch),
  input: big(n),
  steps: STEPS,
  byNodes: true,
});
const rows = {
  chain10: () => ({ graph: chain(), input: { x: 0 }, steps: CHAIN }),
  chain10_saved: () => ({ ...rows.chain10(), saved: true }),
  fanout100: () => ({ graph: fan(), input: { x: 1 }, steps: 1 }),
  send1000: () => ({ graph: sends(), input: { x: 1 }, steps: 1 }),
  state1mb: touched(1_000_000),
  state1mb_saved: () => ({ ...rows.state1mb(), saved: true }),
  messages1000: () => ({
    graph: clocked(MessagesAnnotation, say),
    input: messages,
    steps: STEPS,
    byNodes: true,
  }),
  messages1000_run: () => ({ graph: sayOnce(), input: messages, steps: 1 }),
  untouched0: touched(0),
  untouched1: touched(1_000_000),
  untouched10: touched(10_000_000),
};

async function measure(name, seconds) {
  const row = rows[name]();
  const compiled = row.saved ? null : row.graph.compile();
  const options = { recursionLimit: 100, configurable: { thread_id: "1" } };
  const graph = () =>
    compiled ?? row.graph.compile({ checkpointer: new MemorySaver() });
  const until = async (end, sum) => {
    let runs = 0;
    do {
      const one = graph();
      const began = now();
      await one.invoke(row.input, options);
      add(sum, began);
      runs++;
    } while (performance.now() < end);
    return runs;
  };
  // What has not been compiled by then is not what is measured.
  await until(performance.now() + seconds * 500, { cpu: 0, wall: 0 });
  const whole = { cpu: 0, wall: 0 };
  Object.assign(clock, { cpu: 0, wall: 0 });
  const runs = await until(performance.now() + seconds * 1000, whole);
  const sum = row.byNodes ? clock : whole;
  const steps = row.steps * runs;
  return { row: name, us: sum.cpu / steps, wall_us: sum.wall / steps, steps };
}

for await (const line of createInterface({ input: process.stdin })) {
  const [name, seconds] = line.split(" ");
  console.log(JSON.stringify(await measure(name, Number(seconds))));
}
