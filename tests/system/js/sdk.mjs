// SPDX-License-Identifier: Apache-2.0
// The JavaScript SDK from where the tests have it, and what scripts share: a
// script calls report(name, function) for each case; all run one after the
// other and one JSON object {name: {value} or {error}} is printed.
import { createRequire } from "node:module";

const require = createRequire(`${process.env.LEAT_NPM}/package.json`);
export const { Client } = require("@langchain/langgraph-sdk");
export const apiUrl = process.env.LEAT_TEST_URL;

const cases = [];
export const report = (name, run) => cases.push([name, run]);

// A case that hangs must not hide the others.
function within(ms, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${ms} ms`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

const patience = Number(process.env.LEAT_TEST_PATIENCE ?? 1);

export async function main() {
  const results = {};
  for (const [name, run] of cases) {
    try {
      results[name] = { value: (await within(20000 * patience, run())) ?? null };
    } catch (error) {
      results[name] = { error: `${error.stack}` };
    }
  }
  process.stdout.write(JSON.stringify(results), () => process.exit(0));
}

// [event, data] of each part of a stream.
export async function collect(stream) {
  const parts = [];
  for await (const chunk of stream) {
    parts.push([chunk.event, chunk.data]);
  }
  return parts;
}
