// SPDX-License-Identifier: Apache-2.0
// node start-js-server.mjs PORT [WORKERS]
// Serves graphs/ with the JavaScript server of package.json: one process on
// loopback, state in memory, ten runs at a time as it does by default. Prints
// "pid N", N being the process that serves. That process saves its state into
// graphs/.langgraph_api and reads it again when it starts: remove the folder
// before a measurement.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const port = Number(process.argv[2] ?? 8124);
const workers = Number(process.argv[3] ?? 10);
if (!Number.isInteger(port) || !Number.isInteger(workers)) {
  console.error("usage: node start-js-server.mjs PORT [WORKERS]");
  process.exit(2);
}

const here = dirname(fileURLToPath(import.meta.url));
const graphsDir = join(here, "graphs");
const modules = join(here, "node_modules");
const api = join(modules, "@langchain", "langgraph-api", "dist");
const config = JSON.parse(
  readFileSync(join(graphsDir, "langgraph.json"), "utf8"),
);

const preloads = [
  join(modules, "tsx", "dist", "loader.mjs"),
  join(api, "preload.mjs"),
].flatMap((path) => ["--import", pathToFileURL(path).href]);

const options = {
  cwd: graphsDir,
  graphs: config.graphs,
  host: "localhost",
  nWorkers: workers,
  port,
};

const server = spawn(
  process.execPath,
  [
    ...preloads,
    join(api, "cli", "entrypoint.mjs"),
    String(process.pid),
    JSON.stringify(options),
  ],
  {
    env: {
      ...process.env,
      LANGCHAIN_TRACING_V2: "false",
      LANGGRAPH_API_URL: `http://localhost:${port}`,
      LANGSMITH_TRACING: "false",
      NODE_ENV: "development",
    },
    stdio: ["ignore", "inherit", "inherit"],
  },
);

console.log(`pid ${server.pid}`);
for (const name of ["SIGINT", "SIGTERM"]) {
  process.on(name, () => server.kill(name));
}
server.on("exit", (code, signal) => {
  process.exit(signal ? 1 : (code ?? 1));
});
