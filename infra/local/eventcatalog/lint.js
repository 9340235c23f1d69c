// lint.js DIRECTORY   Checks a catalogue with EventCatalog's own linter. Errors and warnings fail, and so does a page at a place where EventCatalog looks for none.
"use strict";

const fs = require("fs");
const path = require("path");
const linter = require("@eventcatalog/linter");

// A version is deprecated long before it ends: until then it is sent and received.
const rules = { ...linter.DEFAULT_RULES, "versions/no-deprecated-references": "off" };

async function main() {
  const directory = path.resolve(process.argv[2]);
  const files = await linter.scanCatalogFiles(directory);
  const { parsed, errors: unreadable } = await linter.parseAllFiles(files);
  const severities = linter.getEffectiveRules("", { rules });
  const found = linter.applyRuleSeverity(linter.validateCatalog(parsed), severities).map((e) => `${e.file}: ${e.message} (${e.rule ?? e.field})`);
  found.push(...unreadable.map((e) => `${e.file.relativePath}: ${e.error.message}`));

  const seen = new Set(files.map((f) => f.path));
  const pages = fs.readdirSync(directory, { recursive: true }).filter((name) => name.endsWith(".mdx"));
  found.push(...pages.filter((name) => !seen.has(path.join(directory, name))).map((name) => `${name}: EventCatalog doesn't look here`));
  if (pages.length === 0) found.push(`${directory}: there are no pages`);

  for (const line of found) console.error(line);
  process.exit(found.length > 0 ? 1 : 0);
}

main();
