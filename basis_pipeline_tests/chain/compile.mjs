// Compiles one Solidity file: node compile.mjs MODULES SOURCE VIA_IR -> {contract: bytecode} on standard output.
import { createRequire } from "node:module";
import { readFileSync, existsSync } from "node:fs";
import { basename, join } from "node:path";

const [modules, source, viaIR, compiler = "solc", root = ""] = process.argv.slice(2);
const solc = createRequire(join(modules, "x.js"))(compiler);
const input = {
  language: "Solidity",
  sources: { [basename(source)]: { content: readFileSync(source, "utf8") } },
  settings: {
    optimizer: { enabled: true, runs: 200 },
    viaIR: viaIR === "true",
    metadata: { bytecodeHash: "none" },
    outputSelection: { "*": { "*": ["evm.bytecode.object"] } },
  },
};
const find = (path) => {
  const file = [join(root, path), join(modules, path)].find((candidate) => existsSync(candidate));
  return file ? { contents: readFileSync(file, "utf8") } : { error: `no ${path}` };
};
const output = JSON.parse(solc.compile(JSON.stringify(input), { import: find }));
const wrong = (output.errors ?? []).filter((error) => error.severity === "error");
if (wrong.length) {
  console.error(wrong.map((error) => error.formattedMessage).join("\n"));
  process.exit(1);
}
const compiled = {};
for (const [name, contract] of Object.entries(output.contracts[basename(source)]))
  if (contract.evm.bytecode.object) compiled[name] = `0x${contract.evm.bytecode.object}`;
console.log(JSON.stringify({ compiler: solc.version(), contracts: compiled }));
