import assert from "node:assert/strict";
import test from "node:test";
import { folder, follows, MOMENT, MOST_LINES } from "../../../pipeline/page/static/lib/trace.js";

/** For each line "+" if it belongs to the one before. */
function read(text) {
  let state = "";
  return text
    .split("\n")
    .map((line) => {
      const found = follows(line, state);
      state = found.state;
      return found.belongs ? "+" : ".";
    })
    .join("");
}

test("Python's traces, with their causes", () => {
  const trace = 'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    g()\nValueError: no';
  assert.equal(read(`${trace}\nnext`), ".+++.");
  const two = `${trace}\n\nDuring handling of the above exception, another exception occurred:\n\n${trace}\nINFO next`;
  assert.equal(read(two), ".++++++++++.");
});

test("Java's traces, with their causes", () => {
  assert.equal(read("ERROR x java.lang.IllegalStateException: boom\n\tat a.B.c(B.java:1)\nCaused by: java.io.IOException: no\n\t... 12 more\nINFO next"), ".+++.");
});

test("Go's panics", () => {
  assert.equal(read("panic: boom\n\ngoroutine 1 [running]:\nmain.main()\n\t/src/main.go:5 +0x1\nexit status 2\nnext"), ".+++++.");
});

test("Node's errors", () => {
  assert.equal(read("TypeError: x is undefined\n    at f (/a.js:1:2)\n    at g (/b.js:3:4)\nGET /"), ".++.");
});

test("Indented lines alone belong to none", () => {
  assert.equal(read("started\n  with options\nGET /"), "...");
});

test("A trace belongs to its own container, and to its moment", () => {
  const fold = folder();
  const row = {};
  assert.equal(fold.find("a", "Error: boom", 10), null);
  fold.began("a", row);
  assert.equal(fold.find("b", "    at f (x)", 10), null);
  assert.equal(fold.find("a", "    at f (x)", 10.1), row);
  assert.equal(fold.find("a", "    at f (x)", 10.2 + MOMENT), null);
});

test("As many lines are folded as are told", () => {
  const fold = folder();
  fold.find("a", "Error: boom", 1);
  fold.began("a", {});
  let folded = 0;
  while (fold.find("a", "  at f (x)", 1)) folded++;
  assert.equal(folded, MOST_LINES - 1);
});
