// node lint.js FILE...   Checks Amazon States Language files, as SAM templates use them, with asl-validator.
"use strict";

const fs = require("fs");
const validate = require("asl-validator");

// SAM replaces ${Name} when it deploys; any ARN stands for it here.
const substitution = /\$\{[A-Za-z0-9]+\}/g;
const arn = "arn:aws:lambda:us-east-1:123456789012:function:name";

// The validator's schema refuses empty strings, which Step Functions takes.
const fill = (key, value) => (value === "" ? "-" : value);

let bad = 0;
for (const file of process.argv.slice(2)) {
  let problems;
  try {
    const definition = JSON.parse(fs.readFileSync(file, "utf8").replace(substitution, arn), fill);
    const result = validate(definition, { checkPaths: true, checkArn: true });
    problems = result.isValid ? "" : result.errorsText();
  } catch (err) {
    problems = err.message;
  }
  if (problems) {
    bad++;
    console.error(`${file}: ${problems}`);
  }
}
process.exit(bad ? 1 : 0);
