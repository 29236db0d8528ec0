import assert from "node:assert/strict";
import test from "node:test";
import { cut, MOST_PIECES, pieces, plain } from "../../../pipeline/page/static/lib/ansi.js";

const E = "\u001b";
const texts = (text) => pieces(text).map((piece) => piece.text);
const style = (text) => pieces(text)[0].style;
const marks = (text) => pieces(text).filter((piece) => piece.mark).map((piece) => [piece.text, piece.mark]);

test("A text without anything special is one piece without a style", () => {
  assert.deepEqual(pieces("GET /héllo 日本 😀\t200"), [{ text: "GET /héllo 日本 😀\t200", style: null }]);
  assert.deepEqual(pieces(""), []);
});

test("The sixteen colours are numbers of the theme", () => {
  assert.deepEqual(pieces(`${E}[31mred${E}[0m rest`), [{ text: "red", style: { fg: 1 } }, { text: " rest", style: null }]);
  assert.deepEqual(style(`${E}[97;104mx`), { fg: 15, bg: 12 });
  assert.deepEqual(style(`${E}[38;5;9mx`), { fg: 9 });
});

test("Other colours are told by red, green and blue, in both spellings", () => {
  assert.deepEqual(style(`${E}[38;5;208mx`), { fg: "#ff8700" });
  assert.deepEqual(style(`${E}[48;5;240mx`), { bg: "#585858" });
  assert.deepEqual(style(`${E}[38;2;1;2;255mx`), { fg: "#0102ff" });
  assert.deepEqual(style(`${E}[38:2::1:2:255mx`), { fg: "#0102ff" });
  assert.deepEqual(style(`${E}[38:2:1:2:255mx`), { fg: "#0102ff" });
  assert.deepEqual(style(`${E}[38;2;999;2;3;1mx`), { fg: "#ff0203", bold: true });
});

test("Weights begin and end", () => {
  assert.deepEqual(style(`${E}[1;2;3;4;7;9mx`), { bold: true, dim: true, italic: true, underline: true, inverse: true, strike: true });
  assert.equal(style(`${E}[1;2;3;4;7;9m${E}[22;23;24;27;29mx`), null);
  assert.equal(style(`${E}[1;31m${E}[mx`), null);
  assert.equal(style(`${E}[31;42m${E}[39;49mx`), null);
});

test("Sequences that move, erase or switch modes are left out", () => {
  assert.deepEqual(texts(`a${E}[2Kb${E}[1;1Hc${E}[?25ld${E}(Be${E}7f${E}=g${E}[>4;1mh`), ["abcdefgh"]);
});

test("Texts for the terminal itself become a mark that tells them", () => {
  assert.deepEqual(marks(`${E}]0;evil title\u0007x`), [["ESC]…", "escape sequence: 0;evil title"]]);
  assert.deepEqual(marks(`${E}]52;c;aGk=${E}\\x`), [["ESC]…", "escape sequence: 52;c;aGk="]]);
  assert.deepEqual(texts(`${E}]8;;http://x${E}\\link${E}]8;;${E}\\`)[1], "link");
});

test("A sequence without an end hides nothing", () => {
  assert.equal(plain(`a${E}]0;all the rest`), "aESC]0;all the rest");
  assert.equal(plain(`a${E}[`), "aESC[");
  assert.equal(plain(`a${E}`), "aESC");
  assert.ok(plain(`a${E}]0;${"x".repeat(5000)}\u0007z`).includes("xxxx"));
  assert.ok(plain(`a${E}[${"1;".repeat(100)}mz`).includes("1;1;"));
});

test("Control characters, overrides and what has no width are marks", () => {
  assert.deepEqual(marks("a\u0000b\u0008\u007fc\u0085"), [["NUL", "U+0000 control character"], ["BS", "U+0008 control character"], ["DEL", "U+007F control character"], ["U+0085", "U+0085"]]);
  for (const code of [0x202a, 0x202e, 0x2066, 0x2069, 0x200e, 0x200f, 0x061c, 0x200b, 0xfeff, 0x2028]) {
    assert.equal(marks(`a${String.fromCodePoint(code)}b`).length, 1, code.toString(16));
  }
  assert.deepEqual(marks("a\u202eb")[0], ["U+202E", "U+202E right-to-left override"]);
  assert.equal(plain("\u{e0041}x").slice(0, 7), "U+E0041");
});

test("Equal marks beside each other are one piece", () => {
  assert.deepEqual(marks("\b\b\b").map(([text]) => text), ["BS BS BS"]);
});

test("Lone surrogates are marks, pairs are not", () => {
  assert.deepEqual(marks("a\ud800b\udc00").map(([text]) => text), ["U+D800", "U+DC00"]);
  assert.deepEqual(marks("😀"), []);
});

test("A carriage return is a mark but at a line's end", () => {
  assert.equal(plain("10%\r20%\r"), "10%CR20%");
  assert.equal(plain("a\r\nb"), "a\nb");
});

test("The pieces of a line are bounded, and its text is whole", () => {
  const found = pieces(`${E}[31mr${E}[32mg`.repeat(5000));
  assert.ok(found.length <= MOST_PIECES);
  assert.equal(found.reduce((sum, piece) => sum + piece.text.length, 0), 10_000);
});

test("Hostile lines take time that grows with their length only", () => {
  for (const bad of [`${E}]`, `${E}[1;`, `${E}P`, "\u202e", "\ud800", `${E}[38;5;1m`]) {
    pieces(bad.repeat(1_000_000 / bad.length));
  }
});

test("A cut ends neither within a pair nor within a sequence", () => {
  assert.deepEqual(cut("abc", 3), { text: "abc", cut: false });
  assert.deepEqual(cut("ab😀cd", 3), { text: "ab", cut: true });
  assert.deepEqual(cut(`ab${E}[38;5;208mcd`, 6), { text: "ab", cut: true });
  assert.deepEqual(cut(`ab${E}[31mcdefgh`, 9), { text: `ab${E}[31mcd`, cut: true });
});
