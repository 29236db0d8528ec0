import assert from "node:assert/strict";
import test from "node:test";
import { rank } from "../../../pipeline/page/static/lib/fuzzy.js";
import { addLive, createLive, withLive } from "../../../pipeline/page/static/lib/live.js";
import { link, readRoute } from "../../../pipeline/page/static/lib/route.js";

test("A few letters in their order find a name, whole words first", () => {
  const names = ["shop-worker-3", "shop-web-3", "web", "swab"];
  assert.deepEqual(rank("web", names, String), ["web", "shop-web-3"]);
  assert.equal(rank("shw3", names, String).includes("shop-web-3"), true);
  assert.deepEqual(rank("xyz", names, String), []);
  assert.deepEqual(rank("  ", names, String), names);
});

test("An address that a view makes is read as it was meant, whatever the names", () => {
  const name = "a/b c?#&=%<script>";
  const { view, path, query } = readRoute(link("c", [name, "17"], { q: name, empty: "", c: ["x", "y"] }));
  assert.deepEqual([view, path, query.get("q"), query.has("empty"), query.getAll("c")], ["c", [name, "17"], name, false, ["x", "y"]]);
});

test("An address that makes no sense is the flow, and none throws", () => {
  assert.equal(readRoute("").view, "flow");
  assert.equal(readRoute("#/").view, "flow");
  assert.deepEqual(readRoute("#/c/%E0%A4%A").path, ["%E0%A4%A"]);
});

test("After the readings of the last hour come the figures since then, once each", () => {
  const live = createLive();
  addLive(live, "a", 90, { lines: 1 });
  addLive(live, "a", 110, { lines: 2 });
  addLive(live, "a", 110, { lines: 2 });
  const history = { every: 20, end: 100 };
  const { times, of } = withLive(live, history, { lines: [null, 7], cpu: [1, 2] });
  assert.deepEqual(times, [80, 100, 110]);
  assert.deepEqual(of("lines"), [null, 7, 2]);
  assert.deepEqual(of("cpu"), [1, 2, undefined]);
  assert.deepEqual(of("lag"), [null, null, undefined]);
  addLive(live, "b", 120, { lines: 3 });
  assert.deepEqual(withLive(live, history, {}).times, [120]);
});
