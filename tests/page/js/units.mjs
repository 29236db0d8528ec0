import assert from "node:assert/strict";
import test from "node:test";
import { byteRate, bytes, cores, count, exact, percent, plural, rate, span } from "../../../pipeline/page/static/lib/units.js";

test("Figures are short, and what was not measured is no 0", () => {
  assert.deepEqual([0, 7, 742, 9_999, 21_000, 1_234_567, 2.5e9].map(count), ["0", "7", "742", "9,999", "21k", "1.2M", "2.5G"]);
  assert.deepEqual([0, 0.4, 2, 9.96, 742.4, 21_000].map(rate), ["0/s", "0.4/s", "2/s", "10/s", "742/s", "21k/s"]);
  assert.deepEqual([0, 512, 1024, 1_258_291, 16 * 2 ** 20].map(bytes), ["0 B", "512 B", "1 KiB", "1.2 MiB", "16 MiB"]);
  assert.equal(byteRate(2048), "2 KiB/s");
  assert.equal(cores(0.021), "2.1 %");
  assert.equal(percent(6, 100), "6 %");
  assert.equal(percent(6, 0), "–");
  for (const text of [count, rate, bytes, byteRate, cores, span, exact]) {
    assert.equal(text(null), "–");
    assert.equal(text(undefined), "–");
    assert.equal(text(NaN), "–");
  }
});

test("A span has one unit, and seconds up to two minutes", () => {
  assert.deepEqual([0, 0.2, 30, 119, 125, 7_199, 11_000, 200_000].map(span), ["0 s", "0.2 s", "30 s", "119 s", "2 min", "119 min", "3 h", "2 d"]);
});

test("Numbers to compare have every digit", () => {
  assert.equal(exact(1_234_567), "1,234,567");
  assert.equal(plural(1, "sink"), "1 sink");
  assert.equal(plural(3, "sink"), "3 sinks");
});
