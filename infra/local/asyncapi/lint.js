// node lint.js FILE...   Checks AsyncAPI documents with AsyncAPI's own parser. Errors and warnings fail; what it only informs about or hints at doesn't.
"use strict";

const fs = require("fs");
const { Parser } = require("@asyncapi/parser");

async function main() {
  let bad = 0;
  for (const file of process.argv.slice(2)) {
    const diagnostics = await new Parser().validate(fs.readFileSync(file, "utf8"));
    for (const d of diagnostics.filter((d) => d.severity <= 1)) {
      bad++;
      console.error(`${file}:${d.range.start.line + 1}: ${d.path.join(".")}: ${d.message}`);
    }
  }
  process.exit(bad ? 1 : 0);
}

main();
