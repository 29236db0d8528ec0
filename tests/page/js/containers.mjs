import assert from "node:assert/strict";
import test from "node:test";
import { filterRows, idsByName, notesOf, shortStateOf, sortRows, stateOf, troublesOf } from "../../../pipeline/page/static/containers/rows.js";
import { applyTable, createTable } from "../../../pipeline/page/static/lib/table.js";

const COLUMNS = ["id", "name", "image", "project", "service", "host", "state", "health", "exit_code", "oom", "why", "label_errors", "dropped", "lines_per_second"];

const values = (id, name, more = {}) => {
  const row = { id, name, image: "shop/api", project: "shop", service: "", host: "", state: "running", health: "", exit_code: null, oom: 0, why: "", label_errors: {}, dropped: 0, lines_per_second: 0, ...more };
  return COLUMNS.map((column) => row[column]);
};

const change = (rows, more = {}) => ({ columns: COLUMNS, rows, gone: [], full: false, ...more });

function filled() {
  const table = createTable();
  applyTable(table, change([
    values("a1", "api-10", { lines_per_second: 5 }),
    values("b2", "api-2", { lines_per_second: 5, health: "unhealthy" }),
    values("c3", "web", { lines_per_second: null, why: "log driver none" }),
  ], { full: true }), true);
  return table;
}

const names = (rows) => rows.map(({ name }) => name);

test("Later lines change the rows that they have, and take away what has gone", () => {
  const table = filled();
  const members = table.members;
  applyTable(table, change([values("a1", "api-10", { lines_per_second: 9 })]), false);
  assert.equal(table.rows.get("a1").lines_per_second, 9);
  assert.equal(table.rows.get("b2").lines_per_second, 5);
  assert.equal(table.members, members, "figures alone change nobody's place by name");
  applyTable(table, change([values("a1", "renamed")], { gone: ["b2"] }), false);
  assert.deepEqual([...table.rows.keys()], ["a1", "c3"]);
  assert.notEqual(table.members, members);
});

test("A line with all rows begins afresh, also in the middle of a stream", () => {
  const table = filled();
  applyTable(table, change([values("d4", "new")], { full: true }), false);
  assert.deepEqual([...table.rows.keys()], ["d4"]);
});

test("Names are sorted as people sort them, and unknown figures come last both ways", () => {
  const table = filled();
  const rows = filterRows(idsByName(table), table, "", "");
  assert.deepEqual(names(rows), ["api-2", "api-10", "web"]);
  assert.deepEqual(names(sortRows(rows, (row) => row.lines_per_second, true)), ["api-2", "api-10", "web"]);
  assert.deepEqual(names(sortRows(rows, (row) => row.lines_per_second, false)), ["api-2", "api-10", "web"]);
  assert.deepEqual(names(sortRows(rows, (row) => row.name, true)), ["web", "api-10", "api-2"]);
});

test("A search wants all of its words, anywhere", () => {
  const table = filled();
  const found = (text, only = "") => names(filterRows(idsByName(table), table, text, only));
  assert.deepEqual(found("API unhealthy"), ["api-2"]);
  assert.deepEqual(found("driver"), ["web"]);
  assert.deepEqual(found("nobody"), []);
  assert.deepEqual(found("", "trouble"), ["api-2"]);
});

test("What is not followed as configured is a note, and not wrong", () => {
  assert.deepEqual(notesOf({ why: "the configuration does not select it", health: "", label_errors: {}, oom: 0, state: "running" }), [
    { text: "not followed: the configuration does not select it", wrong: false },
  ]);
});

test("A state in short is one word, with the code that it ended with", () => {
  const short = (state, more) => shortStateOf({ state, health: "", exit_code: null, ...more });
  assert.equal(short("running"), "running");
  assert.equal(short("running", { health: "unhealthy", exit_code: 0 }), "unhealthy");
  assert.equal(short("exited", { exit_code: 0, health: "healthy" }), "exited 0");
  assert.equal(short("exited", { exit_code: 137 }), "exited 137");
  assert.equal(short(""), "–");
});

test("State and troubles are words", () => {
  assert.equal(stateOf({ state: "exited", health: "", exit_code: 137 }), "exited with 137");
  assert.equal(stateOf({ state: "running", health: "healthy", exit_code: 0 }), "running, healthy");
  assert.deepEqual(troublesOf({ why: "is dockline itself", health: "", label_errors: { "dockline.routes": "no such route" }, oom: 2, state: "running" }), [
    "dockline.routes: no such route", "out of memory, 2 times",
  ]);
});
