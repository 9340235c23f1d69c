// What the pages can't do without a script: ask again while an order moves, and take the token
// that make console hands over.
"use strict";

// An order that moves is asked for again: after 3 s, and while nothing changes half as long again
// each time, up to a minute. A page that nobody sees asks for nothing.
const first = 3000;
const last = 60000;
let pause = first;
let timer = 0;

function wait() {
  clearTimeout(timer);
  timer = setTimeout(poll, pause);
}

// A form that is open keeps what is typed into it, and a list that is open stays so.
function busy(element) {
  return element.querySelector("details[open] form, .execution details[open]") !== null;
}

function poll() {
  if (document.visibilityState === "visible") {
    for (const element of document.querySelectorAll("[data-poll]")) {
      if (!busy(element)) {
        htmx.trigger(element, "poll");
      }
    }
  }
  pause = Math.min(pause * 1.5, last);
  wait();
}

document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") {
    pause = first;
    wait();
  }
});

// News of the order is news of the parts that were loaded, too.
document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target.id === "live") {
    for (const element of document.querySelectorAll("[data-loaded]:not([data-poll])")) {
      htmx.trigger(element, "poll");
    }
  }
  pause = first;
  wait();
});

wait();

// The number beside the slider follows it at once.
document.addEventListener("input", (event) => {
  if (event.target.id === "asOf") {
    document.querySelector("output[for=asOf]").value = event.target.value;
  }
});

// A token in the address's fragment, which no server sees: it is taken out of the address, and a
// person still presses the button, so that no link signs anybody in.
const field = document.getElementById("token");
const given = new URLSearchParams(location.hash.slice(1)).get("token");
if (field !== null && given !== null) {
  field.value = given;
  history.replaceState(null, "", location.pathname + location.search);
  document.querySelector("#token-form button").focus();
}
