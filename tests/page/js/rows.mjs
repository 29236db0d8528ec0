import assert from "node:assert/strict";
import test from "node:test";
import { rowList } from "../../../pipeline/page/static/lib/rows.js";

/** The same with a plain list, to compare with. */
function check(rows, list) {
  assert.equal(rows.length, list.length);
  assert.equal(rows.height, list.reduce((sum, row) => sum + row.height, 0));
  assert.equal(rows.bytes, list.reduce((sum, row) => sum + row.bytes, 0));
  let top = 0;
  list.forEach((row, index) => {
    if (index % 37 === 0 || index === list.length - 1) {
      assert.equal(rows.at(rows.first + index), row);
      assert.equal(rows.top(row.number), top);
      assert.equal(rows.find(top), row.number);
      assert.equal(rows.find(top + row.height - 1), row.number);
    }
    top += row.height;
  });
  assert.equal(rows.find(1e9), rows.next - 1);
}

test("Rows are found by their number and by their place, whatever comes and goes", () => {
  const rows = rowList();
  let list = [];
  let seed = 7;
  const random = (most) => (seed = (seed * 1103515245 + 12345) % 2 ** 31) % most;
  const make = () => ({ height: 10 + random(50), bytes: random(100) });
  for (let round = 0; round < 40; round++) {
    for (let count = random(700); count > 0; count--) {
      const row = make();
      list.push(row);
      rows.push(row);
    }
    for (let count = random(500); count > 0; count--) assert.equal(rows.shift(), list.shift());
    for (let count = random(300); count > 0; count--) {
      const row = make();
      list.unshift(row);
      rows.unshift(row);
    }
    for (let count = 0; list.length && count < 20; count++) {
      const row = list[random(list.length)];
      rows.resize(row, 5 + random(80));
      rows.grow(row, 3);
    }
    check(rows, list);
  }
  while (list.length) assert.equal(rows.shift(), list.shift());
  assert.equal(rows.shift(), undefined);
  check(rows, []);
  rows.push({ height: 1, bytes: 1 });
  assert.equal(rows.length, 1);
});

test("A row that was let go is not resized", () => {
  const rows = rowList();
  const row = { height: 10, bytes: 1 };
  rows.push(row);
  rows.shift();
  rows.resize(row, 99);
  assert.equal(rows.height, 0);
});

test("All rows get new heights at once", () => {
  const rows = rowList();
  for (let number = 0; number < 700; number++) rows.push({ height: 10, bytes: 1 });
  for (let count = 0; count < 300; count++) rows.shift();
  rows.resizeAll((row) => (row.number % 2 ? 20 : 40));
  assert.equal(rows.height, 400 * 30);
  assert.equal(rows.top(302), 60);
  assert.equal(rows.find(61), 302);
});
