/**
 * The pane of lines: follows the end or keeps its place, and has only the visible rows in the
 * document, whatever comes.
 *
 * Work is done once per frame: lines are taken in, the oldest let go, elements filled again,
 * measured and put in place. Rows have a number (see `rows.js`); the place that is kept is a row's
 * number and the pixels into it, so nothing that happens above or below moves it. While the place is
 * kept, new rows wait below and are counted.
 */
import { copyRows, paneKey } from "./pane_keys.js";
import { fillRow, fillTime, makeRow, titleRow, WRAPPED } from "./row_view.js";
import { rowList } from "./rows.js";
import { note } from "./feed.js";

export const MOST_ROWS = 20_000;
export const MOST_BYTES = 16 * 2 ** 20;
/** Most rows in the document. */
const MOST_ELEMENTS = 200;
/** Lines of a wrapped row that are shown before "show all". */
const MOST_LINES = 15;
/** Rows above the place that stay while room is made for new ones. */
const KEPT_ABOVE = 1000;
/** Pixels painted above and below what is seen; while the end is followed, few. */
const OVERSCAN = 200;
const OVERSCAN_AT_END = 40;
/** Milliseconds of a frame in which lines are taken in. */
const BUDGET = 8;
/** Milliseconds at least between two layouts while the end is followed: nobody reads faster. On a
 * slow machine so many times what the last one took, so that keys are answered between them. */
const REST = 30;
const REST_TIMES = 5;
const LONGEST_REST = 100;
/** Milliseconds between two reports of counts. */
const REPORT_EVERY = 250;

/** Takes an element over, which nobody else may fill. */
export class LogPane {
  /**
   * pull(deadline): takes lines in until performance.now() reaches the deadline, by `push`, and
   * returns whether there are more. opened(row), top() (the first row is seen, by the user's
   * doing), forget(row) (it was let go), report(state): what changed, see `state`.
   */
  constructor(root, { pull, opened, top, forget, report }) {
    Object.assign(this, { root, pull, opened, top, forget, report });
    this.look = { wrap: false, most: WRAPPED, times: "local", find: null, fold: true };
    this.elements = new Map(); // by row number
    this.pool = [];
    this.version = 0; // of the look
    this.reset();
    this.build();
    this.listen();
  }

  reset() {
    this.rows = rowList();
    this.waiting = []; // rows below, while the place is kept
    this.waitingBytes = 0;
    this.lost = 0; // of those, let go
    this.gone = 0; // rows let go at the start
    this.below = 0; // rows that came while the place is kept
    this.held = ""; // why the place is kept: "paused", "reading", "text"
    this.anchor = { number: 0, offset: 0 };
    this.selected = null;
  }

  build() {
    const make = (name, role) => {
      const element = document.createElement("div");
      element.className = name;
      if (role) element.setAttribute("role", role);
      return element;
    };
    this.scroller = make("pane-scroll", "grid");
    this.scroller.tabIndex = 0;
    this.scroller.setAttribute("aria-label", "Lines");
    this.scroller.setAttribute("aria-readonly", "true");
    this.all = make("pane-all", "presentation");
    this.inner = make("pane-rows", "rowgroup");
    this.probe = make("pane-probe");
    this.probe.setAttribute("aria-hidden", "true");
    this.probe.textContent = "x".repeat(100);
    this.all.append(this.inner);
    this.scroller.append(this.all);
    this.root.append(this.scroller, this.probe);
  }

  listen() {
    const on = (target, name, handler, options) => {
      target.addEventListener(name, handler, options);
      this.ends.push(() => target.removeEventListener(name, handler, options));
    };
    this.ends = [];
    on(this.scroller, "scroll", () => this.scrolled(), { passive: true });
    on(this.scroller, "wheel", (event) => this.wheeled(event), { passive: true });
    on(this.scroller, "pointerdown", (event) => this.pressed(event));
    on(document, "pointerup", () => setTimeout(() => this.released(false)));
    on(document, "pointercancel", () => this.released(false));
    on(document, "selectionchange", () => this.released());
    on(this.scroller, "click", (event) => this.clicked(event));
    on(this.scroller, "pointerover", ({ target }) => {
      const element = target.closest(".ln");
      if (element) titleRow(element);
    });
    on(this.scroller, "copy", (event) => copyRows(this, event));
    const seen = new ResizeObserver(() => this.resized());
    seen.observe(this.scroller);
    this.ends.push(() => seen.disconnect());
    const aged = setInterval(() => this.look.times === "relative" && this.refreshTimes(), 1000);
    this.ends.push(() => clearInterval(aged));
  }

  destroy() {
    for (const end of this.ends) end();
    cancelAnimationFrame(this.frame);
    clearTimeout(this.reporting);
    this.closed = true;
    this.root.textContent = "";
  }

  get follows() {
    return this.held === "";
  }

  /** What is told of the pane: why it keeps its place, and counts of rows. */
  get state() {
    const { held, below, gone, lost } = this;
    return { held, below, gone, lost, kept: this.rows.length + this.waiting.length, bytes: this.rows.bytes + this.waitingBytes, selected: this.selected };
  }

  // -- rows come and go ---------------------------------------------------------------------

  /** Adds a row at the end. */
  push(row) {
    row.height = this.estimate(row);
    if (this.follows) this.rows.push(row);
    else {
      this.waiting.push(row);
      this.waitingBytes += row.bytes;
      this.below++;
    }
    this.schedule();
  }

  /** Puts older rows before the first; returns how many found room. */
  prepend(rows) {
    const room = Math.max(0, MOST_ROWS - this.rows.length - this.waiting.length);
    const taken = rows.slice(Math.max(0, rows.length - room));
    for (const row of taken.reverse()) {
      row.height = this.estimate(row);
      this.rows.unshift(row);
    }
    this.schedule();
    return taken.length;
  }

  /** Adds rows at the end, also while the place is kept. */
  append(rows) {
    for (const row of rows) {
      row.height = this.estimate(row);
      this.rows.push(row);
    }
    this.schedule();
  }

  /** A row has more to show, and `bytes` more. */
  changed(row, bytes = 0) {
    if (row.gone) return;
    if (row.number === null) {
      row.bytes += bytes;
      this.waitingBytes += bytes;
    } else this.rows.grow(row, bytes);
    row.stamp = (row.stamp ?? 0) + 1;
    this.schedule();
  }

  /** Lets everything go. */
  clear() {
    for (const element of this.elements.values()) element.remove();
    this.elements.clear();
    this.reset();
    this.schedule();
  }

  /** Makes room: the oldest rows go, but not those near the place that is kept. */
  limit() {
    const { rows } = this;
    let cut = 0;
    while (rows.length + this.waiting.length - cut > MOST_ROWS || rows.bytes + this.waitingBytes > MOST_BYTES) {
      if (rows.length && (this.follows || rows.first < this.anchor.number - KEPT_ABOVE)) {
        this.letGo(rows.shift());
        this.gone++;
      } else if (cut < this.waiting.length) {
        this.waitingBytes -= this.waiting[cut].bytes;
        this.letGo(this.waiting[cut++]);
        this.lost++;
      } else break;
    }
    if (cut) this.waiting.splice(0, cut);
    if (this.selected !== null && this.selected < rows.first) this.selected = null;
  }

  letGo(row) {
    row.gone = true;
    this.forget(row);
  }

  /** Lets go all rows but those for which `fits` is true. */
  filter(fits) {
    const kept = [...this.rows, ...this.waiting].filter((row) => fits(row) || void this.letGo(row));
    this.clear();
    for (const row of kept) this.push(Object.assign(row, { number: null }));
  }

  /** Keeps the place: what comes waits below. */
  hold(why) {
    if (this.held === why || (this.held === "paused" && why !== "paused")) return;
    if (this.follows) this.anchorHere();
    this.held = why;
    this.tell();
  }

  /** Follows the end again. */
  follow() {
    if (this.lost) this.rows.push({ ...note(`${this.lost.toLocaleString("en")} lines came meanwhile and were let go`, "warn"), height: this.line });
    for (const row of this.waiting) this.rows.push(row);
    Object.assign(this, { waiting: [], waitingBytes: 0, lost: 0, below: 0, held: "", selected: null, next: 0 });
    this.schedule();
    this.tell();
  }

  // -- a frame ------------------------------------------------------------------------------

  schedule() {
    if (this.frame || this.closed) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      const now = performance.now();
      const more = this.pull(now + BUDGET);
      this.limit();
      const early = this.follows && now < this.next;
      if (!early) {
        const began = performance.now();
        this.lay();
        this.next = began + Math.min(LONGEST_REST, Math.max(REST, REST_TIMES * (performance.now() - began)));
      }
      this.tellSoon();
      if (more || early) this.schedule();
    });
  }

  /** Puts the visible rows into the document and the scroll bar at its place. Heights are known only
   * then; where they were guessed wrong it is done again. */
  lay() {
    const height = this.scroller.clientHeight;
    if (!this.rows.length || !height) {
      this.show(0, 0);
      this.all.style.height = "0px";
      return;
    }
    for (let round = 0; round < 4; round++) {
      const top = this.place(height);
      const [from, to] = this.range(top, height);
      this.show(from, to);
      this.all.style.height = `${this.rows.height + this.slack}px`;
      const wrong = this.measure();
      this.inner.style.transform = `translateY(${this.rows.top(from)}px)`;
      if (!wrong) break;
      this.all.style.height = `${this.rows.height + this.slack}px`;
    }
    const top = this.place(height);
    // Only where it differs: writing it ends the momentum of a finger's swipe.
    if (Math.abs(this.scroller.scrollTop - top) > 0.5) this.scroller.scrollTop = top;
    this.expected = this.scroller.scrollTop;
  }

  /** Pixels below the last row, so that the button does not lie on it. */
  get slack() {
    return this.follows ? 0 : 2.5 * this.line;
  }

  /** Where the view's top is to be, in pixels from the first row's. */
  place(height) {
    const end = Math.max(0, this.rows.height - height);
    if (this.follows) return end;
    const last = Math.max(0, this.rows.height + this.slack - height);
    const number = Math.min(Math.max(this.anchor.number, this.rows.first), this.rows.next - 1);
    const offset = number === this.anchor.number ? Math.min(this.anchor.offset, this.rows.at(number).height) : 0;
    return Math.min(last, this.rows.top(number) + offset);
  }

  range(top, height) {
    const more = this.follows ? OVERSCAN_AT_END : OVERSCAN;
    const from = this.rows.find(Math.max(0, top - more));
    let to = from;
    let sum = this.rows.top(from);
    while (to < this.rows.next && to - from < MOST_ELEMENTS && sum < top + height + more) sum += this.rows.at(to++).height;
    return [from, to];
  }

  /** Has elements for these rows in the document, in order, and no others. */
  show(from, to) {
    const free = [];
    for (const [number, element] of this.elements) {
      if (number >= from && number < to) continue;
      this.elements.delete(number);
      free.push(element);
    }
    // Elements that leave are filled again where they stand if nothing stays: the usual case of
    // a fast tail. Otherwise they are taken out first, so that those that stay need not move.
    if (this.elements.size) for (const element of free) element.remove();
    let cursor = this.inner.firstChild;
    free.reverse();
    for (let number = from; number < to; number++) {
      const element = this.elements.get(number) ?? this.assign(number, free.pop() ?? this.pool.pop() ?? makeRow());
      this.fill(element);
      if (element === cursor) cursor = cursor.nextSibling;
      else this.inner.insertBefore(element, cursor);
    }
    for (const element of free) {
      element.remove();
      if (this.pool.length < MOST_ELEMENTS) this.pool.push(element);
    }
  }

  assign(number, element) {
    this.elements.set(number, element);
    element.row = this.rows.at(number);
    element.painted = "";
    element.id = `line-${number}`;
    return element;
  }

  fill(element) {
    const { row } = element;
    const stamp = `${this.version} ${row.stamp ?? 0}`;
    if (element.painted !== stamp && !(element.painted && this.selecting())) {
      fillRow(element, row, this.look);
      element.painted = stamp;
      element.measured = false;
    }
    const selected = row.number === this.selected;
    if (element.wasSelected !== selected) {
      element.setAttribute("aria-selected", String(selected));
      element.wasSelected = selected;
    }
  }

  /** Reads the heights of what was filled, where the style sheet does not fix them; whether one was
   * guessed wrong. */
  measure() {
    let wrong = false;
    for (const element of this.elements.values()) {
      if (element.measured) continue;
      element.measured = true;
      const height = element.flat && !this.meta ? this.line : element.getBoundingClientRect().height;
      if (Math.abs(height - element.row.height) < 0.1) continue;
      this.rows.resize(element.row, height);
      wrong = true;
    }
    return wrong;
  }

  // -- heights that are not known yet ---------------------------------------------------------

  estimate(row) {
    if (!this.look.wrap || row.note) return this.line + this.meta;
    return this.meta + this.line * Math.max(1, Math.ceil(Math.min(row.chars, this.look.most) / this.columns));
  }

  /** Reads what heights depend on: the height of a line, and how many characters are in one. */
  readSizes() {
    const style = getComputedStyle(this.root);
    this.line = parseFloat(style.getPropertyValue("--row")) || 20;
    this.meta = parseFloat(style.getPropertyValue("--row-meta")) || 0;
    const character = this.probe.getBoundingClientRect().width / 100 || 7;
    const text = this.elements.values().next().value?.parts.text.clientWidth || this.scroller.clientWidth * 0.6;
    this.columns = Math.max(10, Math.floor(text / character));
    this.look.most = Math.min(WRAPPED, Math.max(400, this.columns * MOST_LINES));
  }

  line = 20;
  meta = 0;
  columns = 100;
  next = 0;

  resized() {
    this.readSizes();
    const sizes = `${this.line} ${this.meta} ${this.columns} ${this.scroller.clientWidth}`;
    if (sizes !== this.sizes) this.guessAll();
    this.sizes = sizes;
    this.lay();
  }

  guessAll() {
    this.rows.resizeAll((row) => this.estimate(row));
    for (const element of this.elements.values()) element.measured = false;
  }

  /** Changes how rows look: any of `wrap`, `times`, `find`, `fold`. */
  set(look) {
    Object.assign(this.look, look);
    this.root.classList.toggle("wrap", this.look.wrap);
    this.version++;
    this.next = 0; // who pressed a key does not wait
    this.guessAll();
    this.schedule();
  }

  refreshTimes() {
    if (!this.selecting()) for (const element of this.elements.values()) fillTime(element, element.row, this.look);
  }

  // -- the user -------------------------------------------------------------------------------

  scrolled() {
    const top = this.scroller.scrollTop;
    if (Math.abs(top - this.expected) < 1.5) return;
    this.expected = top;
    const atEnd = top >= this.rows.height - this.scroller.clientHeight - 2;
    if (atEnd && this.follows) return;
    if (atEnd && this.held === "reading") return void this.follow();
    if (this.follows) this.hold("reading");
    this.anchorHere();
    if (top < 50) this.top();
    this.schedule();
  }

  wheeled(event) {
    if (event.deltaY < 0 && this.follows) this.hold("reading");
    if (event.deltaY < 0 && this.scroller.scrollTop < 1) this.top();
  }

  anchorHere() {
    const top = this.scroller.scrollTop;
    const number = this.rows.find(top);
    this.anchor = { number, offset: top - this.rows.top(number) };
  }

  /** Whether text of the pane is selected. */
  selecting() {
    const selection = getSelection();
    return Boolean(selection && !selection.isCollapsed && this.inner.contains(selection.anchorNode));
  }

  /** Nothing moves under a mouse that is about to select text. */
  pressed(event) {
    if (event.button !== 0 || event.pointerType === "touch") return;
    this.down = true;
    if (this.follows) this.hold("text");
  }

  /** The mouse is up again, or the selection has changed: nothing selected means follow as before. */
  released(down = this.down) {
    this.down = down;
    if (down) return;
    if (this.selecting()) {
      if (this.follows) this.hold("text");
    } else if (this.held === "text") this.follow();
  }

  clicked(event) {
    const element = event.target.closest(".ln");
    if (!element || this.selecting()) return;
    const { row } = element;
    const action = event.target.closest("[data-action]")?.dataset.action;
    if (action) this.unfold(row, action);
    else if (!row.note) {
      this.select(row.number);
      this.opened(row);
    }
  }

  unfold(row, action) {
    if (action === "all") row.all = true;
    else row.open = !row.open;
    if (this.follows || this.held === "text") this.hold("reading");
    this.changed(row);
  }

  /** Selects a row, shows it, and keeps the place. */
  select(number) {
    const row = this.rows.at(number);
    if (!row) return;
    if (this.held === "text" || this.follows) this.hold("reading");
    this.selected = number;
    const top = this.rows.top(number);
    const height = this.scroller.clientHeight - 3 * this.line; // what is at the bottom may lie under the button
    const { scrollTop } = this.scroller;
    if (top < scrollTop) this.anchor = { number, offset: 0 };
    else if (top + row.height > scrollTop + height) {
      const start = this.rows.find(top + row.height - height);
      this.anchor = { number: start, offset: top + row.height - height - this.rows.top(start) };
    }
    this.scroller.setAttribute("aria-activedescendant", `line-${number}`);
    if (number === this.rows.first) this.top();
    this.schedule();
    this.tell();
  }

  /** Shows a row in the middle, and selects it if asked to. */
  reveal(number, select) {
    const above = this.rows.top(number) - Math.max(0, this.scroller.clientHeight / 2 - this.line);
    const first = this.rows.find(Math.max(0, above));
    this.anchor = { number: first, offset: Math.max(0, above - this.rows.top(first)) };
    if (select) this.selected = number;
    this.schedule();
  }

  /** Selects the next row in a direction for which `fits` is true. */
  step(direction, fits = (row) => !row.note) {
    let number = this.selected ?? (direction > 0 && !this.follows ? this.anchor.number - 1 : this.rows.next);
    if (this.selected === null && direction > 0 && this.follows) number = this.rows.next - 2;
    for (number += direction; this.rows.at(number); number += direction) {
      if (fits(this.rows.at(number))) return this.select(number);
    }
    if (direction < 0) this.top();
    return undefined;
  }

  /** Takes a key of the pane; whether it was one. */
  key(event) {
    return paneKey(this, event);
  }

  /** Pauses, or follows again. */
  toggle() {
    if (this.held === "paused") this.follow();
    else this.hold("paused");
  }

  matches(row) {
    const { find } = this.look;
    find.lastIndex = 0;
    return !row.note && find.test(row.entry.message ?? "");
  }

  // -- what is told ---------------------------------------------------------------------------

  tell() {
    clearTimeout(this.reporting);
    this.reporting = 0;
    this.report(this.state);
  }

  tellSoon() {
    this.reporting ||= setTimeout(() => this.tell(), REPORT_EVERY);
  }
}
