import assert from "node:assert/strict";
import test from "node:test";
import { balances, equationOfSource, equationsOf } from "../../../pipeline/page/static/balance/equations.js";

const total = (terms) => terms.reduce((sum, [number]) => sum + number, 0);
const words = (terms) => terms.map(([number, text]) => `${number} ${text}`).join(" + ");

const account = (...routes) => ({ id: "a", name: "api-1", read: { logs: 20_000 }, routes });

test("What was read equals what was filtered, delivered, dropped and waits", () => {
  const [one] = equationsOf(account({
    route: "errors", source: "logs", taken: 20_000, filtered: { keep: 19_120 },
    sinks: [{ sink: "papertrail", routed: 880, delivered: 800, dropped: { drop_newest: 60 }, buffered: 20 }],
  }));
  assert.equal(words(one.came), "20000 read");
  assert.equal(words(one.went), "19120 filtered by keep + 800 delivered + 60 dropped (drop_newest) + 20 buffered");
  assert.equal(total(one.came), total(one.went));
  assert.equal(one.unaccounted, 0);
});

test("Entries that a stage made, and those of a route that leads to it, are said", () => {
  const [handed, sent] = equationsOf(account({
    route: "all", source: "logs", taken: 10, made: { split: 4 }, handed: { errors: 14 }, sinks: [{ sink: "out", routed: 14, delivered: 14 }],
  }));
  assert.equal(words(handed.came), "10 read + 4 made by split");
  assert.equal(handed.to, "route errors");
  assert.equal(words(handed.went), "14 handed on");
  assert.equal(words(sent.went), "14 delivered");
  const [fed] = equationsOf(account({ route: "errors", source: "logs", fed: true, taken: 14, sinks: [{ sink: "down", routed: 14, buffered: 14 }] }));
  assert.equal(words(fed.came), "14 from other routes");
});

test("A sink of dead letters has only those", () => {
  const [one] = equationsOf(account({ route: "all", source: "logs", taken: 10, sinks: [{ sink: "rejects", letters: 3, delivered: 3 }] }));
  assert.equal(words(one.came), "3 dead letters");
  assert.equal(total(one.went), 3);
});

test("What is missing is told, at the sink and before it", () => {
  const missing = account({ route: "all", source: "logs", taken: 10, unaccounted: 2, sinks: [{ sink: "out", routed: 8, delivered: 8 }] });
  assert.equal(balances(missing), false);
  assert.match(words(equationsOf(missing)[0].went), /2 unaccounted before it/);
  const lost = account({ route: "all", source: "logs", taken: 10, sinks: [{ sink: "out", routed: 10, delivered: 9, unaccounted: 1 }] });
  assert.equal(balances(lost), false);
  assert.equal(balances(account({ route: "all", source: "logs", taken: 0, sinks: [{ sink: "out" }] })), true);
});

test("A source's messages are settled, given back or on their way", () => {
  const one = equationOfSource({ source: "hub", taken: 10, settled: 7, open: 2 });
  assert.equal(one.unaccounted, 1);
  assert.equal(words(one.went), "7 settled + 2 on their way + 1 unaccounted");
});
