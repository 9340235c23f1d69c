// unpack.js DIRECTORY   Unpacks the Chromium of the package @sparticuz/chromium, a program and the libraries that a machine may lack, into DIRECTORY/bin.
"use strict";

const { execFileSync } = require("node:child_process");
const { chmodSync, mkdirSync, readFileSync, writeFileSync } = require("node:fs");
const { join } = require("node:path");
const { brotliDecompressSync } = require("node:zlib");

if (process.arch !== "x64") {
  console.error(`no Chromium for ${process.arch} comes as a package: the browser tests take an installed one`);
  process.exit(0);
}
const packed = join(process.argv[2], "node_modules", "@sparticuz", "chromium", "bin");
const bin = join(process.argv[2], "bin");
mkdirSync(bin, { recursive: true });
writeFileSync(join(bin, "chromium-browser"), brotliDecompressSync(readFileSync(join(packed, "chromium.br"))));
chmodSync(join(bin, "chromium-browser"), 0o755);
execFileSync("tar", ["xf", "-", "-C", bin], { input: brotliDecompressSync(readFileSync(join(packed, "al2023.tar.br"))) });
writeFileSync(
  join(bin, "chromium"),
  `#!/bin/sh
here=$(dirname "$(readlink -f "$0")")
LD_LIBRARY_PATH=\${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$here/lib exec "$here/chromium-browser" "$@"
`,
);
chmodSync(join(bin, "chromium"), 0o755);
