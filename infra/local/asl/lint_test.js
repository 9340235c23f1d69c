// node --test lint_test.js   Each change to the saga's machine that AWS refuses, the linter finds; the machine as it is, it takes.
"use strict";

const assert = require("node:assert");
const fs = require("fs");
const path = require("path");
const test = require("node:test");
const { lint, parse } = require("./lint");
const { check } = require("./rules");

const text = fs.readFileSync(path.join(__dirname, "../../../statemachines/order-saga.asl.json"), "utf8");

const output = (expression) => (m) => (m.States.Completed.Output = expression);
const task = (change) => (m) => change(m.States.ReserveStock);
const retry = (change) => task((s) => change(s.Retry[0]));
const ended = (s) => s.Type === "Succeed" || s.Type === "Fail" || s.End;

// What is changed, and a part of what the linter has to say.
const refused = {
  "a Next to nowhere": [task((s) => (s.Next = "Nowhere")), "Nowhere"],
  "a Catch to nowhere": [task((s) => (s.Catch[0].Next = "Nowhere")), "Nowhere"],
  "a choice to nowhere": [(m) => (m.States.WhichWay.Choices[0].Next = "Nowhere"), "Nowhere"],
  "a Default to nowhere": [(m) => (m.States.WhichWay.Default = "Nowhere"), "Nowhere"],
  "a start nowhere": [(m) => (m.StartAt = "Nowhere"), "Nowhere"],
  "a state that nothing leads to": [(m) => (m.States.Lost = { Type: "Pass", Next: "CloseOrder" }), "Lost is not reachable"],
  "no end": [
    (m) => Object.entries(m.States).filter(([, s]) => ended(s)).forEach(([name]) => (m.States[name] = { Type: "Pass", Next: "WhichWay" })),
    "missing a terminal state",
  ],
  "Next and End": [task((s) => (s.End = true)), "exactly one of"],
  "a field of another type of state": [(m) => (m.States.WhichWay.TimeoutSeconds = 1), "TimeoutSeconds: is not supported"],
  "a Catch where nothing is caught": [(m) => (m.States.WhichWay.Catch = m.States.ReserveStock.Catch), "Catch: is not supported"],
  "a Retry where nothing is tried": [(m) => (m.States.WhichWay.Retry = m.States.ReserveStock.Retry), "Retry: is not supported"],
  "an end of a choice": [(m) => (m.States.WhichWay.End = true), "End: is not supported"],
  "no choices": [(m) => (m.States.WhichWay.Choices = []), "Choices"],
  "a misspelt field": [task((s) => (s.Timeout = 1)), "Timeout: is not supported"],
  "a misspelt type": [(m) => (m.States.WhichWay.Type = "Choise"), "WhichWay"],
  "a name that is too long": [(m) => (m.States["N".repeat(81)] = { Type: "Succeed" }), "invalid"],

  "BackoffRate below 1": [retry((r) => (r.BackoffRate = 0.99)), "BackoffRate: expected 1 or more"],
  "BackoffRate 0": [retry((r) => (r.BackoffRate = 0)), "BackoffRate: expected 1 or more"],
  "IntervalSeconds 0": [retry((r) => (r.IntervalSeconds = 0)), "IntervalSeconds: expected a whole number"],
  "IntervalSeconds in parts": [retry((r) => (r.IntervalSeconds = 1.5)), "IntervalSeconds: expected a whole number"],
  "MaxAttempts below 0": [retry((r) => (r.MaxAttempts = -1)), "MaxAttempts: expected a whole number"],
  "MaxDelaySeconds not above the interval": [retry((r) => (r.IntervalSeconds = r.MaxDelaySeconds = 5)), "MaxDelaySeconds: expected more"],
  "MaxDelaySeconds not above the default interval": [retry((r) => (delete r.IntervalSeconds, (r.MaxDelaySeconds = 1))), "MaxDelaySeconds: expected more"],
  "MaxDelaySeconds of a year": [retry((r) => (r.MaxDelaySeconds = 31622400)), "MaxDelaySeconds: expected a whole number"],
  "a jitter that there is not": [retry((r) => (r.JitterStrategy = "HALF")), "JitterStrategy: expected FULL or NONE"],
  "a misspelt field of a retry": [retry((r) => (r.MaxAttempt = 1)), "MaxAttempt: is not supported"],
  "a Retry of nothing": [retry((r) => (r.ErrorEquals = [])), "ErrorEquals: expected at least one"],
  "States.ALL before the last retry": [task((s) => s.Retry.push({ ErrorEquals: ["order.closed"] })), "in the last entry only"],
  "States.ALL twice": [task((s) => s.Retry.push({ ErrorEquals: ["States.ALL"] })), "in the last entry only"],
  "States.ALL before the last catch": [task((s) => s.Catch.unshift({ ErrorEquals: ["States.ALL"], Next: "CloseOrder" })), "in the last entry only"],
  "States.ALL beside another": [task((s) => s.Catch.at(-1).ErrorEquals.push("order.closed")), "States.ALL alone"],
  "a misspelt error": [task((s) => (s.Catch[0].ErrorEquals = ["States.TimeOut"])), "States.TimeOut is no error"],

  "TimeoutSeconds 0": [task((s) => (s.TimeoutSeconds = 0)), "TimeoutSeconds: expected a whole number"],
  "TimeoutSeconds of three years": [task((s) => (s.TimeoutSeconds = 100000000)), "TimeoutSeconds: expected a whole number"],
  "TimeoutSeconds 0 of the machine": [(m) => (m.TimeoutSeconds = 0), "TimeoutSeconds: expected a whole number"],
  "a heartbeat as long as the timeout": [task((s) => (s.HeartbeatSeconds = s.TimeoutSeconds)), "HeartbeatSeconds: expected less"],

  "a language that there is not": [(m) => (m.QueryLanguage = "Jsonata"), "QueryLanguage: expected"],
  "a state in JSONPath": [(m) => (m.States.WhichWay.QueryLanguage = "JSONPath"), "QueryLanguage: expected JSONata"],
  ...Object.fromEntries(
    ["InputPath", "Parameters", "ResultSelector", "ResultPath", "OutputPath", "TimeoutSecondsPath", "HeartbeatSecondsPath"].map((field) => [
      `${field} in JSONata`, [task((s) => (s[field] = "$.x")), `${field}: is not supported`],
    ]),
  ),
  "ResultPath of a Catch in JSONata": [task((s) => (s.Catch[0].ResultPath = "$.x")), "ResultPath: is not supported"],
  "Result in JSONata": [(m) => (m.States.WhichWay.Result = {}), "Result: is not supported"],
  "CausePath in JSONata": [(m) => (m.States.UndoFailed.CausePath = "$.x"), "CausePath: is not supported"],
  "Variable in JSONata": [(m) => Object.assign(m.States.WhichWay.Choices[0], { Variable: "$.x", IsNull: true }), "Variable: is not supported"],
  "a path for a value in JSONata": [task((s) => (s.Arguments["x.$"] = "$.x")), "is a path"],

  "JSONata that does not parse": [output("{% $count( %}"), "before end of expression"],
  "JSONata that does not parse, deep down": [task((s) => (s.Arguments.X = [{ y: "{% 1 + %}" }])), "Unexpected end of expression"],
  "a condition that does not parse": [(m) => (m.States.WhichWay.Choices[0].Condition = "{% $x[1,2) %}"), 'Expected "]"'],
  "an assignment that does not parse": [(m) => (m.States.WhichWay.Choices[0].Assign.x = "{% {'a':} %}"), "unary operator"],
  "an assignment of a Catch that does not parse": [task((s) => (s.Catch[0].Assign = { x: "{% 'a %}" })), "terminated by a matching quote"],
  "JSONata of a later version than AWS's": [output("{% $sagaId ?? 1 %}"), "unary operator"],
  "no JSONata at all": [output("{% %}"), "Unexpected end"],
  "something before the expression": [output(" {% 1 %}"), "without anything around it"],
  "something behind the expression": [output("{% 1 %}\n"), "without anything around it"],
  "an expression that is not closed": [output("{% 1"), "without anything around it"],
  "an expression that is not opened": [output({ a: ["1 %}"] }), "without anything around it"],
  "a name at the top level": [output("{% orderId %}"), "reference to orderId at the top level"],
  "a name at the top level of a part": [output("{% $sagaId & {'a': [b.c]}.a %}"), "reference to b at the top level"],
  "a name at the top level of a function's body": [output("{% $map($failed, function($f) { step }) %}"), "reference to step at the top level"],
  "a wildcard at the top level": [output("{% *.x %}"), "reference to * at the top level"],
  "$ at the top level": [output("{% $.x %}"), "nothing that $ and $$ would be"],
  "$$ anywhere": [output("{% $failed[step = $$.x] %}"), "nothing that $ and $$ would be"],
  "$eval": [output("{% $eval('1') %}"), "$eval is not supported"],
  "a variable that nothing assigns": [output("{% $sagald %}"), "$sagald is assigned nowhere"],
  "a function that there is not": [output("{% $counts($failed) %}"), "$counts is assigned nowhere"],
  "a part of $states that there is not": [output("{% $states.inputs %}"), "$states.inputs is not there"],
  "$states.result before there is one": [task((s) => (s.Arguments.X = "{% $states.result %}")), "$states.result is not there"],
  "$states.result of a choice": [(m) => (m.States.WhichWay.Choices[0].Assign = { x: "{% $states.result %}" }), "$states.result is not there"],
  "$states.result of what failed": [task((s) => (s.Catch[0].Output = "{% $states.result %}")), "$states.result is not there"],
  "$states.errorOutput outside of a Catch": [task((s) => (s.Output = "{% $states.errorOutput %}")), "$states.errorOutput is not there"],
  "a variable called states": [(m) => (m.States.WhichWay.Choices[0].Assign.states = 1), "states: expected an identifier"],
  "a variable that is no identifier": [(m) => (m.States.WhichWay.Choices[0].Assign["saga-id"] = 1), "saga-id: expected an identifier"],
  "a variable whose name is too long": [(m) => (m.States.WhichWay.Choices[0].Assign["a".repeat(81)] = 1), "expected an identifier"],
};

for (const [name, [change, want]] of Object.entries(refused)) {
  test(`refuses ${name}`, () => {
    const machine = parse(text);
    change(machine);
    // asl-validator takes half a second, and is asked only where the rules are silent.
    const problems = check(machine);
    if (!problems.some((p) => p.includes(want))) problems.push(...lint(machine));
    assert.ok(problems.some((p) => p.includes(want)), `expected ${want}, got ${JSON.stringify(problems)}`);
  });
}

const taken = {
  "the machine as it is": () => {},
  "names inside of something": output("{% $failed[step = 'x'].(error & $)^(<$) %}"),
  "names of a group": output("{% $failed{step: $count(error)} %}"),
  "a transformation": output("{% $failed ~> | $ | {'step': step}, ['cause'] | %}"),
  "variables of its own": output("{% ($n := 1; $f := function($a) { $a + $n }; $map($failed, $f)) %}"),
  "functions that Step Functions adds": output("{% $hash($uuid(), 'SHA-256') & $parse('1') & $count($partition($range(1, 4, 1), 2)) & $random(1) %}"),
  "text that is no expression": output({ text: "100 % of {all}" }),
  "a timeout that is computed": task((s) => (s.TimeoutSeconds = "{% $order.revision * 10 %}")),
  "the whole of $states": output("{% $keys($states) %}"),
};

for (const [name, change] of Object.entries(taken)) {
  test(`takes ${name}`, () => {
    const machine = parse(text);
    change(machine);
    assert.deepStrictEqual(lint(machine), []);
  });
}
