import assert from "node:assert/strict";
import test from "node:test";
import { sentence } from "../../../pipeline/page/static/lib/sentence.js";

test("What the agent says begins with a capital and ends with a full stop", () => {
  assert.equal(sentence("this needs the agent's token, as text"), "This needs the agent's token, as text.");
  assert.equal(sentence("tapping is off: see http.tap"), "Tapping is off: see http.tap.");
  assert.equal(sentence("It is one."), "It is one.");
  assert.equal(sentence(""), "");
});

test("A name at its beginning stays as it is written", () => {
  assert.equal(sentence("http.tap is off"), "http.tap is off.");
  assert.equal(sentence("api-1 has no log"), "api-1 has no log.");
});
