import assert from "node:assert/strict";
import test from "node:test";
import * as text from "../../../pipeline/page/static/lib/text.js";

test("A level has eight words and many spellings", () => {
  assert.equal(text.toldLevel({ log: { level: "error" } }), "error");
  assert.equal(text.toldLevel({ "log.level": "warning" }), "warning");
  assert.equal(text.levelWord("FATAL"), "critical");
  assert.equal(text.levelWord(30), "info");
  assert.equal(text.levelWord("loud"), "");
  assert.equal(text.toldLevel({}), "");
});

test("A level is found in the start of a text, as the agent does", () => {
  for (const [line, level] of [
    ["2026-01-02 ERROR boom", "error"],
    ['ts=1 level=warn msg="x"', "warning"],
    ["[info] started", "info"],
    ["E0102 15:04:05 x.go:1] boom", "error"],
    ["panic: runtime error", "emergency"],
    ["\u001b[31mERROR\u001b[0m boom", "error"],
    ["no errors here", ""],
    ["GET /ERROR.html", ""],
    ["<11>boom", "error"],
    ["Warning: low", "warning"],
    ["12:00 [main] WARN  a.b.C - low", "warning"],
    ["logLevel: loud, ERROR", ""],
    ["[ e ] boom", "error"],
    ["x".repeat(300) + " ERROR", ""],
  ]) assert.equal(text.guessedLevel(line), level, line);
});

test("Objects are told by names with dots", () => {
  const found = text.flat({ a: 1, http: { status: 500, list: [1, 2] }, empty: {} });
  assert.deepEqual(found.map(({ name, value }) => [name, value]), [["a", 1], ["http.status", 500], ["http.list", [1, 2]], ["empty", {}]]);
});

test("Deep and wide objects are bounded", () => {
  let deep = {};
  for (let count = 0; count < 2000; count++) deep = { a: deep };
  assert.equal(text.flat(deep).length, 1);
  assert.equal(text.flat(Object.fromEntries(Array.from({ length: 5000 }, (_, n) => [`k${n}`, n]))).length, text.MOST_FIELDS);
});

test("A message in JSON becomes its text and its fields", () => {
  const message = '{"level":"info","msg":"served","http":{"status":200},"time":1}';
  const found = text.summary({ message });
  assert.equal(found.text, "served");
  assert.deepEqual(found.fields.map(({ name }) => name), ["http.status"]);
});

test("Fields that stages left are shown instead of the message's", () => {
  const found = text.summary({ message: '{"msg":"hi","card":"4111"}', msg: "hi", card: "***", log: { level: "info" } });
  assert.deepEqual(found.fields.map(({ name, value }) => [name, value]), [["card", "***"]]);
});

test("What is not an object stays as it is", () => {
  for (const message of ["plain", "{not json}", "[1]", "{}x", ""]) assert.equal(text.summary({ message }).text, message);
  assert.equal(text.summary({ cpu: 1, host: { name: "h" } }).text, "cpu=1");
});

test("A field's value becomes an expression", () => {
  const where = (entry) => text.whereEquals(text.parsedFields(entry)[0]);
  assert.equal(where({ http: { status: 500 } }), "http.status == 500");
  assert.equal(where({ user: 'a"b\n' }), 'user == "a\\"b\\n"');
  assert.equal(where({ "x-id": true }), 'fields["x-id"] == True');
  assert.equal(where({ http: { "x-y": null } }), 'http["x-y"] == None');
  assert.equal(where({ fields: { message: "m" } }), 'fields["message"] == "m"');
  assert.equal(where({ tags: [1] }), "");
  assert.equal(where({ class: "a" }), 'fields["class"] == "a"');
});

test("Two expressions are both to be true", () => {
  assert.equal(text.both("", "a == 1"), "a == 1");
  assert.equal(text.both("a == 1 or b == 2", "c == 3"), "(a == 1 or b == 2) and c == 3");
});
