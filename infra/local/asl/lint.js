// node lint.js FILE...   Checks Amazon States Language files, as SAM templates use them: with asl-validator, and for what that lets pass.
"use strict";

const fs = require("fs");
const validate = require("asl-validator");
const { check } = require("./rules");

// SAM replaces ${Name} when it deploys; any ARN stands for it here.
const substitution = /\$\{[A-Za-z0-9]+\}/g;
const arn = "arn:aws:lambda:us-east-1:123456789012:function:name";

// The validator's schema refuses empty strings, which Step Functions takes.
const fill = (key, value) => (value === "" ? "-" : value);

// parse reads a file's text.
const parse = (text) => JSON.parse(text.replace(substitution, arn), fill);

// lint gives the problems of a definition.
function lint(definition) {
  const problems = check(definition);
  const result = validate(structuredClone(definition), { checkPaths: true, checkArn: true });
  return result.isValid ? problems : [...problems, result.errorsText()];
}

function main(files) {
  let bad = 0;
  for (const file of files) {
    let problems;
    try {
      problems = lint(parse(fs.readFileSync(file, "utf8")));
    } catch (err) {
      problems = [err.message];
    }
    bad += problems.length;
    for (const problem of problems) console.error(`${file}: ${problem}`);
  }
  process.exit(bad ? 1 : 0);
}

module.exports = { lint, parse };
if (require.main === module) main(process.argv.slice(2));
