// What Step Functions refuses of a state machine in JSONata, or meets only when it runs it, and asl-validator lets pass.
"use strict";

const jsonata = require("jsonata");

const seconds = { least: 1, most: 99999999 };
const attempts = { least: 0, most: 99999999 };
const delay = { least: 1, most: 31622399 }; // less than 31622400

const common = ["Type", "Comment", "QueryLanguage"];
const effects = ["Arguments", "Assign", "Output", "Retry", "Catch"];
const fields = {
  Task: [...common, ...effects, "Next", "End", "Resource", "Credentials", "TimeoutSeconds", "HeartbeatSeconds"],
  Parallel: [...common, ...effects, "Next", "End", "Branches"],
  Map: [
    ...common, ...effects.slice(1), "Next", "End", "Items", "ItemProcessor", "ItemSelector", "ItemReader", "ItemBatcher", "ResultWriter",
    "MaxConcurrency", "ToleratedFailurePercentage", "ToleratedFailureCount", "Label",
  ],
  Pass: [...common, "Assign", "Output", "Next", "End"],
  Wait: [...common, "Assign", "Output", "Next", "End", "Seconds", "Timestamp"],
  Choice: [...common, "Assign", "Output", "Choices", "Default"],
  Succeed: [...common, "Output"],
  Fail: [...common, "Error", "Cause"],
};
const rule = ["Condition", "Next", "Assign", "Output", "Comment"];
const retrier = ["ErrorEquals", "IntervalSeconds", "MaxAttempts", "BackoffRate", "MaxDelaySeconds", "JitterStrategy", "Comment"];
const catcher = ["ErrorEquals", "Next", "Assign", "Output", "Comment"];

const reserved = [
  "ALL", "BranchFailed", "DataLimitExceeded", "ExceedToleratedFailureThreshold", "HeartbeatTimeout", "Http.Socket", "IntrinsicFailure",
  "ItemReaderFailed", "NoChoiceMatched", "ParameterPathFailure", "Permissions", "QueryEvaluationError", "ResultPathMatchFailure",
  "ResultWriterFailed", "Runtime", "TaskFailed", "Timeout",
].map((name) => `States.${name}`);

// JSONata's own functions without $eval, which Step Functions doesn't have, and those that it adds.
const functions = new Set(
  `abs append average base64decode base64encode boolean ceil clone contains count decodeUrl decodeUrlComponent distinct each encodeUrl
  encodeUrlComponent error exists assert filter floor formatBase formatInteger formatNumber fromMillis join keys length lookup lowercase map
  match max merge millis min not now number pad parseInteger power random reduce replace reverse round shuffle sift single sort split spread
  sqrt string substring substringAfter substringBefore sum toMillis trim type typeOf uppercase zip
  partition range hash uuid parse`.split(/\s+/),
);

// check gives the problems of a definition, each a text that begins with where it is.
function check(definition) {
  const problems = [];
  const say = (at, text) => problems.push(`${at}: ${text}`);
  whole(definition, "TimeoutSeconds", seconds, "", say);
  if (!["JSONata", "JSONPath", undefined].includes(definition.QueryLanguage)) {
    say("QueryLanguage", `expected JSONata or JSONPath, got ${definition.QueryLanguage}`);
  }
  machine(definition, definition.QueryLanguage, assigned(definition), "", say);
  return problems;
}

// assigned is the names of the variables that are assigned anywhere in a definition.
function assigned(value, names = new Set()) {
  for (const [key, inner] of Object.entries(value)) {
    if (key === "Assign") Object.keys(inner).forEach((name) => names.add(name));
    if (inner !== null && typeof inner === "object") assigned(inner, names);
  }
  return names;
}

// machine checks the states of a machine, or of a part of one that a Map or Parallel state has.
function machine(part, language, variables, at, say) {
  for (const [name, state] of Object.entries(part.States ?? {})) {
    const here = `${at}/States/${name}`;
    errors(state, here, say);
    whole(state, "TimeoutSeconds", seconds, here, say);
    whole(state, "HeartbeatSeconds", seconds, here, say);
    if (state.HeartbeatSeconds >= state.TimeoutSeconds) say(here, "HeartbeatSeconds: expected less than TimeoutSeconds");
    if (language === "JSONata" && (state.QueryLanguage ?? language) !== language) {
      say(here, `QueryLanguage: expected JSONata, as the machine has it, got ${state.QueryLanguage}`);
    }
    if ((state.QueryLanguage ?? language) === "JSONata") query(state, variables, here, say);
    (state.Branches ?? []).forEach((branch, i) => machine(branch, language, variables, `${here}/Branches/${i}`, say));
    for (const inner of ["ItemProcessor", "Iterator"]) {
      if (state[inner]) machine(state[inner], language, variables, `${here}/${inner}`, say);
    }
  }
}

// errors checks a state's Retry and Catch, in either language.
function errors(state, at, say) {
  for (const field of ["Retry", "Catch"]) {
    const list = state[field] ?? [];
    list.forEach((entry, i) => {
      const here = `${at}/${field}/${i}`;
      const names = entry.ErrorEquals ?? [];
      if (names.length === 0) say(here, "ErrorEquals: expected at least one error");
      if (names.includes("States.ALL") && names.length > 1) say(here, "ErrorEquals: expected States.ALL alone");
      if (names.includes("States.ALL") && i < list.length - 1) say(here, "ErrorEquals: expected States.ALL in the last entry only");
      for (const name of names.filter((n) => n.startsWith("States.") && !reserved.includes(n))) {
        say(here, `ErrorEquals: ${name} is no error of Step Functions, which has all names with States.`);
      }
      if (field === "Retry") retry(entry, here, say);
    });
  }
}

function retry(entry, at, say) {
  only(entry, retrier, at, say);
  whole(entry, "IntervalSeconds", seconds, at, say);
  whole(entry, "MaxAttempts", attempts, at, say);
  whole(entry, "MaxDelaySeconds", delay, at, say);
  if (entry.BackoffRate !== undefined && !(entry.BackoffRate >= 1)) say(at, `BackoffRate: expected 1 or more, got ${entry.BackoffRate}`);
  if (entry.MaxDelaySeconds <= (entry.IntervalSeconds ?? 1)) say(at, "MaxDelaySeconds: expected more than IntervalSeconds");
  if (!["FULL", "NONE", undefined].includes(entry.JitterStrategy)) {
    say(at, `JitterStrategy: expected FULL or NONE, got ${entry.JitterStrategy}`);
  }
}

// whole checks a whole number. A JSONata expression may stand for it.
function whole(of, field, { least, most }, at, say) {
  const value = of[field];
  if (value === undefined || typeof value === "string") return;
  if (!Number.isInteger(value) || value < least || value > most) say(at, `${field}: expected a whole number from ${least} to ${most}, got ${value}`);
}

function only(of, known, at, say) {
  for (const field of Object.keys(of).filter((f) => !known.includes(f))) say(at, `${field}: is not supported there`);
}

// query checks a state whose language is JSONata.
function query(state, variables, at, say) {
  only(state, fields[state.Type] ?? Object.keys(state), at, say);
  const has = ["Task", "Parallel", "Map"].includes(state.Type) ? ["result"] : [];
  const rest = { ...state };
  for (const nested of ["Retry", "Catch", "Choices", "Branches", "ItemProcessor", "Iterator", "Assign", "Output"]) delete rest[nested];
  expressions(rest, variables, [], at, say);
  results(state, has, variables, at, say);
  (state.Choices ?? []).forEach((entry, i) => {
    only(entry, rule, `${at}/Choices/${i}`, say);
    expressions(entry.Condition, variables, [], `${at}/Choices/${i}/Condition`, say);
    results(entry, has, variables, `${at}/Choices/${i}`, say);
  });
  (state.Catch ?? []).forEach((entry, i) => {
    only(entry, catcher, `${at}/Catch/${i}`, say);
    results(entry, ["errorOutput"], variables, `${at}/Catch/${i}`, say);
  });
}

// results checks what is made of what came of a state.
function results(of, has, variables, at, say) {
  for (const name of Object.keys(of.Assign ?? {})) {
    if (name === "states" || name.length > 80 || !/^[\p{ID_Start}_][\p{ID_Continue}]*$/u.test(name)) {
      say(`${at}/Assign`, `${name}: expected an identifier of at most 80 characters, and not states`);
    }
  }
  expressions(of.Assign, variables, has, `${at}/Assign`, say);
  expressions(of.Output, variables, has, `${at}/Output`, say);
}

// expressions checks the JSONata in a value, at any depth.
function expressions(value, variables, has, at, say) {
  if (typeof value === "string") return expression(value, variables, has, at, say);
  if (value === null || typeof value !== "object") return;
  for (const [key, inner] of Object.entries(value)) {
    if (key.endsWith(".$")) say(at, `${key}: is a path, and JSONata has none`);
    expressions(inner, variables, has, `${at}/${key}`, say);
  }
}

function expression(text, variables, has, at, say) {
  const trimmed = text.trim();
  if (!trimmed.startsWith("{%") && !trimmed.endsWith("%}")) return;
  if (!text.startsWith("{%") || !text.endsWith("%}") || text.length < 4) {
    return say(at, `an expression begins with {% and ends with %}, without anything around it, got ${text}`);
  }
  let ast;
  try {
    ast = jsonata(text.slice(2, -2)).ast();
  } catch (err) {
    return say(at, `${err.message}, in ${text}`);
  }
  const known = new Set([...variables, ...functions, "states"]);
  locals(ast, known);
  walk(ast, false, { known, has, say: (what) => say(at, `${what}, in ${text}`) });
}

// locals adds the names that an expression binds itself.
function locals(node, known) {
  if (node === null || typeof node !== "object") return;
  if (node.type === "bind") known.add(node.lhs.value);
  if (node.type === "lambda") node.arguments.forEach((argument) => known.add(argument.value));
  for (const name of [node.focus, node.index]) if (typeof name === "string") known.add(name);
  for (const inner of Object.values(node)) locals(inner, known);
}

// walk checks a node. context says whether something surrounds it that names and $ are of; at the top level there is nothing.
function walk(node, context, on) {
  if (node === null || typeof node !== "object") return;
  if (Array.isArray(node)) return node.forEach((inner) => walk(inner, context, on));
  const { type, value } = node;
  if (type === "path") {
    const [first, second] = node.steps;
    if (first.type === "variable" && first.value === "states" && second?.type === "name") field(second.value, on);
    node.steps.forEach((step, i) => walk(step, context || i > 0, on));
    return walk(node.group?.lhs, true, on);
  }
  if (!context && ["name", "wildcard", "descendant", "parent"].includes(type)) on.say(`reference to ${value ?? "%"} at the top level is not supported`);
  if (type === "variable") {
    if (value === "$" || (value === "" && !context)) on.say("there is nothing that $ and $$ would be at the top level");
    else if (value === "eval") on.say("$eval is not supported: $parse is");
    else if (value !== "" && !on.known.has(value)) on.say(`$${value} is assigned nowhere and no function`);
  }
  for (const inside of [node.stages, node.predicate, node.group?.lhs, node.terms]) walk(inside, true, on);
  if (type === "transform") return [node.pattern, node.update, node.delete].forEach((inner) => walk(inner, true, on));
  if (type === "filter" || type === "sort") return walk(node.expr, true, on);
  const inside = ["lhs", "rhs", "expression", "expressions", "arguments", "procedure", "body", "condition", "then", "else"];
  for (const name of inside) if (!(name === "arguments" && type === "lambda")) walk(node[name], context, on);
}

// field checks what is read of $states.
function field(name, on) {
  const there = ["input", "context", ...on.has];
  if (!there.includes(name)) on.say(`$states.${name} is not there: expected ${there.join(", ")}`);
}

module.exports = { check };
