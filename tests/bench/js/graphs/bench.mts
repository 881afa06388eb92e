// SPDX-License-Identifier: Apache-2.0
// The benchmark's assistants for the JavaScript server: the same behaviour as
// the C graphs of the same names in examples/.
import { setImmediate, setTimeout } from "node:timers/promises";
import {
  Annotation,
  END,
  type LangGraphRunnableConfig,
  MessagesAnnotation,
  START,
  StateGraph,
} from "@langchain/langgraph";
import { FakeListChatModel } from "@langchain/core/utils/testing";

const TOKENS = 1000;
const CHAIN = 10;
// A writer that never lets go of the event loop would send nothing at all
// before its end.
const EMITTED_AT_A_TIME = 50;

const Counter = Annotation.Root({ x: Annotation<number>() });
type Count = typeof Counter.State;

function increment(state: Count) {
  return { x: (state.x ?? 0) + 1 };
}

// trivial{x}: one node, one more.
export const trivial = new StateGraph(Counter)
  .addNode("inc", increment)
  .addEdge(START, "inc")
  .addEdge("inc", END)
  .compile();

// chain10{x}: ten such nodes, one after the other.
function chain(length: number) {
  const graph = new StateGraph(Counter) as any;
  let last: string = START;
  for (let i = 0; i < length; i++) {
    graph.addNode(`n${i}`, increment);
    graph.addEdge(last, `n${i}`);
    last = `n${i}`;
  }
  return graph.addEdge(last, END).compile();
}

export const chain10 = chain(CHAIN);

// emit{n}: n numbered custom events of about 50 bytes.
const Emitter = Annotation.Root({
  n: Annotation<number>(),
  done: Annotation<number>(),
});

async function write(
  state: typeof Emitter.State,
  config: LangGraphRunnableConfig,
) {
  const pad = "abcdefghijklmnopqrstuvwxyz0123456789";
  for (let i = 0; i < state.n; i++) {
    config.writer?.({ i, pad });
    if ((i + 1) % EMITTED_AT_A_TIME === 0) {
      await setImmediate();
    }
  }
  return { done: state.n };
}

export const emit = new StateGraph(Emitter)
  .addNode("emit", write)
  .addEdge(START, "emit")
  .addEdge("emit", END)
  .compile();

// tokens{messages}: a model's answer of 1000 tokens, a letter each.
async function answer(state: typeof MessagesAnnotation.State) {
  const model = new FakeListChatModel({ responses: ["x".repeat(TOKENS)] });
  return { messages: [await model.invoke(state.messages)] };
}

export const tokens = new StateGraph(MessagesAnnotation)
  .addNode("model", answer)
  .addEdge(START, "model")
  .addEdge("model", END)
  .compile();

// sleeper{ms}: one custom event, then nothing for that long.
const Sleeper = Annotation.Root({ ms: Annotation<number>() });

async function sleep(
  state: typeof Sleeper.State,
  config: LangGraphRunnableConfig,
) {
  config.writer?.({ started: true });
  await setTimeout(state.ms);
  return {};
}

export const sleeper = new StateGraph(Sleeper)
  .addNode("sleep", sleep)
  .addEdge(START, "sleep")
  .addEdge("sleep", END)
  .compile();
