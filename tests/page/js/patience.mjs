import assert from "node:assert/strict";
import test from "node:test";
import { patiently } from "../../../pipeline/page/static/lib/patience.js";

const busy = () => Object.assign(new Error("busy"), { status: 503 });

test("what is busy is asked again", async () => {
  let asked = 0;
  const answer = await patiently(async () => {
    asked += 1;
    if (asked < 2) throw busy();
    return "answer";
  });
  assert.deepEqual([asked, answer], [2, "answer"]);
});

test("another refusal is told at once, and so is one too many", async () => {
  let asked = 0;
  const refuse = async () => {
    asked += 1;
    throw Object.assign(new Error("no"), { status: 403 });
  };
  await assert.rejects(patiently(refuse), /no/);
  assert.equal(asked, 1);
  await assert.rejects(patiently(async () => Promise.reject(busy()), undefined, 1), /busy/);
});

test("one who has gone is not waited for", async () => {
  const gone = new AbortController();
  gone.abort();
  await assert.rejects(patiently(async () => Promise.reject(busy()), gone.signal), /busy/);
});
