// Tests of the linter of catalogues: what it lets pass, and what it finds.
"use strict";

const assert = require("assert");
const { spawnSync } = require("child_process");
const fs = require("fs");
const os = require("os");
const path = require("path");
const { test } = require("node:test");

const page = (lines) => `---\n${lines.join("\n")}\n---\n\nWhat it is.\n`;
const common = ["name: x", "summary: x", "owners: [team]"];
const event = page(["id: a.b", "version: 2.0.0", "schemaPath: schema.json", ...common]);
const service = (version) => page(["id: s", "version: 1.0.0", `sends: [{id: a.b, version: ${version}}]`, ...common]);

const whole = {
  "teams/team.mdx": page(["id: team", "name: team", "summary: x"]),
  "services/s/index.mdx": service("2.0.0"),
  "events/a.b/index.mdx": event,
};

for (const [name, change, want] of [
  ["whole", {}, ""],
  ["a version that isn't there", { "services/s/index.mdx": service("1.0.0") }, "a.b"],
  ["no owner", { "events/a.b/index.mdx": event.replace("owners: [team]", "") }, "owner"],
  ["no version", { "events/a.b/index.mdx": event.replace("version: 2.0.0", "") }, "version"],
  ["nobody sends it", { "events/c.d/index.mdx": event.replace("a.b", "c.d") }, "c.d"],
  ["a page that nobody looks for", { "events/index.mdx": event }, "doesn't look here"],
  ["nothing", { "teams/team.mdx": null, "services/s/index.mdx": null, "events/a.b/index.mdx": null }, "no pages"],
]) {
  test(name, () => {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), "catalogue-"));
    try {
      for (const [file, text] of Object.entries({ ...whole, ...change })) {
        if (text === null) continue;
        fs.mkdirSync(path.join(directory, path.dirname(file)), { recursive: true });
        fs.writeFileSync(path.join(directory, file), text);
      }
      const run = spawnSync(process.execPath, [path.join(__dirname, "lint.js"), directory], { encoding: "utf8" });
      assert.equal(run.status, want === "" ? 0 : 1, run.stderr);
      assert.ok(run.stderr.includes(want) && (want !== "" || run.stderr === ""), run.stderr);
    } finally {
      fs.rmSync(directory, { recursive: true });
    }
  });
}
