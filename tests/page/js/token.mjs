import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { accepted, current, fallBack, setToken, takeToken } from "../../../pipeline/page/static/token.js";

beforeEach(() => {
  const kept = new Map();
  globalThis.sessionStorage = {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => kept.set(key, value),
    removeItem: (key) => kept.delete(key),
  };
  globalThis.location = { hash: "", pathname: "/", search: "" };
  globalThis.history = { replaceState: (_state, _title, address) => (location.hash = address.slice(address.indexOf("#"))) };
});

function open(hash) {
  location.hash = hash;
  takeToken();
}

test("A token leaves the address", () => {
  open("#token=abc%2Bdef&x=1");
  assert.deepEqual([current(), location.hash], ["abc+def", "#/flow"]);
});

test("What cannot be a token leaves it too, and is passed over", () => {
  setToken("right");
  for (const hash of ["#token=%", "#token=a%0d%0ab", "#token=%00", "#token=", `#token=${"x".repeat(2000)}`]) {
    open(hash);
    assert.deepEqual([current(), location.hash], ["right", "#/flow"], hash);
  }
});

test("A wrong token gives way to the one before, also for a request that was under way", () => {
  setToken("right");
  open("#token=wrong");
  assert.equal(current(), "wrong");
  assert.ok(fallBack("wrong"));
  assert.equal(current(), "right");
  assert.ok(fallBack("wrong"));
  assert.ok(!fallBack("right"));
});

test("An accepted token is the only one", () => {
  setToken("old");
  open("#token=new");
  accepted("new");
  assert.ok(!fallBack("new"));
  assert.equal(current(), "new");
});

test("The first token has none before it", () => {
  open("#token=wrong");
  assert.ok(!fallBack("wrong"));
});
