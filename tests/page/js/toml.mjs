import assert from "node:assert/strict";
import test from "node:test";
import { spread } from "../../../pipeline/page/static/lib/toml.js";

test("Each stage gets a line of its own", () => {
  assert.equal(
    spread(`stages = [{ parse = "a, b" }, { keep = 'x in ("]", "}")' }, { set = { a = [1, 2] } },]\n`),
    `stages = [\n  { parse = "a, b" },\n  { keep = 'x in ("]", "}")' },\n  { set = { a = [1, 2] } },\n]\n`,
  );
  assert.equal(spread('stages = [{ keep = "a \\" , b" }]'), 'stages = [\n  { keep = "a \\" , b" },\n]\n');
});

test("What is not so simple stays as it is", () => {
  for (const text of ["stages = [\n  { parse = 1 },\n]\n", "stages = []\n", "stages = [{ a = 1 } # why\n]", 'stages = [{ a = """x, y""" }]', "stages = [{ a = 1 }, # x]", "stages = [{ a = '1 }]", "", "labels = true\nstages = []"]) {
    assert.equal(spread(text), text);
  }
});
