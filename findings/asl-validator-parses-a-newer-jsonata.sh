#!/usr/bin/env bash
# asl-validator passes an expression that Step Functions' JSONata can't parse.
#
# Version: asl-validator 4.0.0, jsonata 2.0.6.
# Guess before the run: it parses with the version that AWS names for state machines, 2.0.6.
# Seen: a fresh install brings jsonata 2.2.2, whose ?? operator came with 2.1; the validator finds
# nothing, and 2.0.6 has a syntax error.
# Matters to: a linter that has to see what a deployment refuses. Parse each expression with 2.0.6
# as well.
. "$(dirname "$0")/lib.sh"
node_packages asl-validator@4.0.0
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$workdir/older" jsonata@2.0.6 >/dev/null
cat >"$workdir/check.js" <<'JS'
const machine = {
  QueryLanguage: "JSONata", StartAt: "Pass",
  States: { Pass: { Type: "Pass", End: true, Output: "{% $states.input.a ?? 1 %}" } },
};
const { isValid } = require("asl-validator")(machine, { checkPaths: true });
let parses = true;
try { require(process.argv[2])("$a ?? 1"); } catch { parses = false; }
console.log("validator", isValid, "2.0.6", parses);
JS
expect 'a ?? 1' 'validator true 2.0.6 false' "$(in_node "$workdir/check.js" "$workdir/older/node_modules/jsonata")"
