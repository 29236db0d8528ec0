import assert from "node:assert/strict";
import test from "node:test";
import { engineRows, feed } from "../../../pipeline/page/static/lib/feed.js";

const time = (ms = 0) => new Date(Date.UTC(2026, 0, 31) + ms).toISOString();

function line(message, sequence, more = {}, place = { route: "all", sink: "logstash" }) {
  const container = { id: more.id ?? "a".repeat(64), name: more.name ?? "api-1" };
  return { ...place, entry: { "@timestamp": time(sequence), message, event: { sequence }, stream: "stdout", container, ...more.fields } };
}

test("An entry at several sinks is one row with several places", () => {
  const rows = feed();
  const { row } = rows.take(line("boom", 1));
  const again = rows.take(line("boom", 1, {}, { route: "errors", sink: "papertrail" }));
  assert.equal(again.changed, row);
  assert.deepEqual(row.places.map(({ route, sink }) => [route, sink]), [["all", "logstash"], ["errors", "papertrail"]]);
  assert.deepEqual(rows.take(line("boom", 1)), {}, "the same place again tells nothing");
});

test("What a second sink gets otherwise is kept with its place", () => {
  const rows = feed();
  const { row } = rows.take(line("card 4111", 1));
  rows.take(line("card ***", 1, {}, { route: "safe", sink: "s3" }));
  assert.equal(row.entry.message, "card 4111");
  assert.equal(row.places[1].entry.message, "card ***");
});

test("Entries of other containers, numbers and parts are rows of their own", () => {
  const rows = feed();
  assert.ok(rows.take(line("x", 1)).row);
  assert.ok(rows.take(line("x", 1, { id: "b".repeat(64) })).row);
  assert.ok(rows.take(line("x", 2)).row);
  assert.ok(rows.take(line("x", 2, { fields: { event: { sequence: 2, part: 2 } } })).row);
});

test("Lines of a stack trace are folded into their first line, at each sink once", () => {
  const rows = feed();
  const trace = ["Error: boom", "    at f (a.js:1)", "    at g (b.js:2)"];
  const [{ row }] = trace.map((text, index) => rows.take(line(text, index)));
  trace.map((text, index) => rows.take(line(text, index, {}, { route: "errors", sink: "papertrail" })));
  assert.deepEqual(row.more, trace.slice(1));
  assert.equal(row.places.length, 2);
});

test("A row that was let go is forgotten, with its folded lines", () => {
  const rows = feed();
  const { row } = rows.take(line("Error: boom", 1));
  rows.take(line("    at f (a.js:1)", 2));
  assert.equal(rows.size, 2);
  rows.forget(row);
  assert.equal(rows.size, 0);
});

test("Containers are kept once, and are renamed", () => {
  const rows = feed();
  const first = rows.take(line("x", 1)).row;
  const second = rows.take(line("x", 2)).row;
  assert.equal(first.entry.container, second.entry.container);
  assert.equal(rows.take(line("x", 3, { name: "api-2" })).row.name, "api-2");
});

test("Levels are told by the agent, or guessed", () => {
  const rows = feed();
  const told = rows.take(line("fine", 1, { fields: { log: { level: "error" } } })).row;
  const guessed = rows.take(line("WARN low", 2)).row;
  assert.deepEqual([told.level, told.guessed, guessed.level, guessed.guessed], ["error", false, "warning", true]);
});

test("Entries that were dropped without being seen are a note", () => {
  const { row } = feed().take({ sink: "logstash", dropped: "drop_oldest", entries: 500 });
  assert.match(row.note, /500 entries dropped \(drop_oldest\) at logstash/);
});

test("The Engine's lines are rows without a sequence number", () => {
  const lines = ["Error: boom", "    at f (a.js:1)", "next"].map((message, index) => ({ time: time(index), stream: "stderr", message }));
  const rows = engineRows({ container: { id: "a", name: "api-1" }, lines });
  assert.deepEqual(rows.map((row) => [row.entry.message, row.sequence, row.more.length]), [["Error: boom", null, 1], ["next", null, 0]]);
});

test("Hostile entries are rows", () => {
  const rows = feed();
  for (const entry of [{}, { message: "x", container: null }, { message: "", event: null, log: null }, { "@timestamp": 5, message: "x", container: { id: 1 } }, { message: 5 }, { message: null, level: {} }]) {
    assert.ok(rows.take({ route: "all", entry }).row, JSON.stringify(entry));
  }
});
