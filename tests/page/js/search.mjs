import assert from "node:assert/strict";
import test from "node:test";
import { finder } from "../../../pipeline/page/static/lib/paint.js";
import { isSearching, patternTest, projectChoice, readSearch, searchAddress, tapPath } from "../../../pipeline/page/static/lib/search.js";
import { timeText } from "../../../pipeline/page/static/lib/times.js";

const read = (text) => readSearch(new URLSearchParams(text));

test("An address says all of a search", () => {
  for (const text of ["c=shop-*&c=db&q=a%26b&mode=regex&level=error&route=all&sink=s&show=dropped", "q=x&hl=1", "c=db&since=1&until=2", ""]) {
    const address = searchAddress(read(text));
    assert.deepEqual(read(address.split("?")[1] ?? ""), read(text));
  }
});

test("The agent is asked for what the address says", () => {
  assert.equal(tapPath(read("c=shop-*&c=db&q=a b&level=error&show=dropped")), "/tap?container=shop-*&container=db&level=error&dropped=1&match=a+b");
  assert.equal(tapPath(read("q=status > 5&mode=where")), "/tap?where=status+%3E+5");
  assert.equal(tapPath(read("q=x&mode=regex")), "/tap?regex=x");
  assert.equal(tapPath(read("q=x&mode=nonsense")), "/tap?match=x");
});

test("What is only marked is not asked for", () => {
  assert.equal(tapPath(read("q=x&hl=1")), "/tap");
  assert.equal(isSearching(read("q=x&hl=1")), false);
  assert.equal(isSearching(read("q=x")), true);
});

test("Marks ignore case unless the text has capitals, as the agent does", () => {
  assert.ok(finder("boom", "text").test("BOOM"));
  assert.ok(!finder("Boom", "text").test("boom"));
  assert.ok(finder("a.b(", "text").test("xa.b("));
  assert.equal(finder("(", "regex"), null);
  assert.equal(finder("x == 1", "where"), null);
});

test("Patterns are those of a shell", () => {
  assert.ok(patternTest("shop-*").test("shop-api-1"));
  assert.ok(!patternTest("shop-?").test("shop-10"));
  assert.ok(patternTest("[!a]x").test("bx"));
  assert.ok(!patternTest("a.b").test("axb"));
  assert.ok(!patternTest("[").test("["), "a broken one matches nothing");
});

test("A project is a pattern where that takes no others", () => {
  const containers = [["shop-api-1", "shop"], ["shop-db-1", "shop"], ["infra-x", "infra"], ["named", "infra"]].map(([name, project]) => ({ name, project }));
  assert.deepEqual(projectChoice("shop", containers), ["shop-*"]);
  assert.deepEqual(projectChoice("infra", containers), ["infra-x", "named"]);
});

test("Times have the day where it was not today", () => {
  const now = Date.UTC(2026, 0, 31, 12);
  assert.equal(timeText("2026-01-31T03:04:05.678901234Z", "utc", now), "03:04:05.678Z");
  assert.equal(timeText("2026-01-30T03:04:05Z", "utc", now), "01-30 03:04:05.000Z");
  assert.equal(timeText("2026-01-31T11:59:30Z", "relative", now), "30 s ago");
  assert.equal(timeText("no time", "local", now), "no time");
});
