// SPDX-License-Identifier: Apache-2.0
// What the streaming documentation shows, in JavaScript. test_snippets.py has
// the same in Python and with curl, and compares what all of them give.
import { Client, apiUrl, collect, main, report } from "./sdk.mjs";

const client = new Client({ apiUrl });
const hello = { messages: [{ role: "human", content: "hello", id: "m1" }] };

report("stateless", async () => {
  const parts = [];
  for await (const chunk of client.runs.stream(null, "agent", {
    input: hello,
    streamMode: "updates",
  })) {
    parts.push([chunk.event, chunk.data]);
  }
  return parts;
});

report("thread", async () => {
  const thread = await client.threads.create();
  return collect(
    client.runs.stream(thread["thread_id"], "agent", {
      input: hello,
      streamMode: "updates",
    }),
  );
});

report("values", async () => {
  const thread = await client.threads.create();
  return collect(
    client.runs.stream(thread["thread_id"], "agent", {
      input: hello,
      streamMode: "values",
    }),
  );
});

report("several_modes", async () => {
  const thread = await client.threads.create();
  return collect(
    client.runs.stream(thread["thread_id"], "agent", {
      input: { ...hello, sleep: { steps: 2, ms: 1 } },
      streamMode: ["updates", "custom"],
    }),
  );
});

report("subgraphs", async () => {
  const thread = await client.threads.create();
  return collect(
    client.runs.stream(thread["thread_id"], "nested", {
      input: { messages: ["in"] },
      streamSubgraphs: true,
      streamMode: "updates",
    }),
  );
});

report("debug", async () => {
  const thread = await client.threads.create();
  return collect(
    client.runs.stream(thread["thread_id"], "trivial", {
      input: { x: 1 },
      streamMode: "debug",
    }),
  );
});

report("tokens", async () => {
  const thread = await client.threads.create();
  return collect(
    client.runs.stream(thread["thread_id"], "agent", {
      input: hello,
      streamMode: "messages-tuple",
    }),
  );
});

report("custom", async () => {
  const thread = await client.threads.create();
  return collect(
    client.runs.stream(thread["thread_id"], "agent", {
      input: { ...hello, sleep: { steps: 3, ms: 1 } },
      streamMode: "custom",
    }),
  );
});

report("events", async () => {
  const thread = await client.threads.create();
  return collect(
    client.runs.stream(thread["thread_id"], "trivial", {
      input: { x: 1 },
      streamMode: "events",
    }),
  );
});

report("join", async () => {
  const thread = await client.threads.create();
  const run = await client.runs.create(thread["thread_id"], "sleeper", {
    input: { ms: 500 },
    streamMode: ["custom", "values"],
  });
  return collect(
    client.runs.joinStream(thread["thread_id"], run["run_id"], { lastEventId: "-1" }),
  );
});

report("wait", async () => {
  const thread = await client.threads.create();
  return client.runs.wait(thread["thread_id"], "agent", { input: hello });
});

report("interrupt_and_resume", async () => {
  const thread = await client.threads.create();
  const first = await collect(
    client.runs.stream(thread["thread_id"], "agent", {
      input: { ...hello, interrupt: true },
      streamMode: "updates",
    }),
  );
  const second = await collect(
    client.runs.stream(thread["thread_id"], "agent", {
      command: { resume: "go on" },
      streamMode: "updates",
    }),
  );
  return [first, second];
});

report("resume_after_drop", async () => {
  const thread = await client.threads.create();
  const seen = [];
  let last;
  let runId;
  for await (const chunk of client.runs.stream(thread["thread_id"], "agent", {
    input: hello,
    streamMode: "updates",
    streamResumable: true,
  })) {
    seen.push([chunk.event, chunk.data]);
    last = chunk.id;
    runId ??= chunk.data["run_id"];
    if (seen.length === 2) break;
  }
  const rest = await collect(
    client.runs.joinStream(thread["thread_id"], runId, { lastEventId: last }),
  );
  return [...seen, ...rest];
});

report("thread_stream", async () => {
  const thread = await client.threads.create();
  for (const x of [1, 5]) {
    await client.runs.wait(thread["thread_id"], "trivial", { input: { x } });
  }
  const parts = [];
  for await (const chunk of client.threads.joinStream(thread["thread_id"], {
    lastEventId: "-",
  })) {
    parts.push([chunk.event, chunk.data]);
    if (parts.filter(([event]) => event === "run_done").length === 2) break;
  }
  return parts;
});

report("api_key", async () => {
  const options = { apiUrl: process.env.LEAT_TEST_LOCKED_URL, callerOptions: { maxRetries: 0 } };
  const refused = await collect(
    new Client({ ...options, apiKey: "wrong" }).runs.stream(null, "trivial", {
      input: { x: 1 },
      streamMode: "updates",
    }),
  ).catch((error) => error.status ?? error.message);
  const parts = await collect(
    new Client({ ...options, apiKey: "open sesame" }).runs.stream(null, "trivial", {
      input: { x: 1 },
      streamMode: "updates",
    }),
  );
  return [refused, parts];
});

await main();
