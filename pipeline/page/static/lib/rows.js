/**
 * A long list of rows of different heights, which grows at both ends and is let go at the start.
 *
 * Each row gets a `number`; those of neighbours differ by one, and no other row is given it later
 * (but for what is put before the first). Rows are kept in blocks, so that the place of a row, and
 * the row at a place, take a walk over some eighty blocks and one of them.
 */

const BITS = 8;
const SIZE = 1 << BITS;

export function rowList() {
  let blocks = []; // {rows, height}: a row stands at its number's last bits
  let first = 0;
  let next = 0;
  let bytes = 0;

  const blockOf = (number) => blocks[(number >> BITS) - (first >> BITS)];
  const at = (number) => (number >= first && number < next ? blockOf(number).rows[number & (SIZE - 1)] : undefined);

  function put(row, number) {
    row.number = number;
    const block = blockOf(number);
    block.rows[number & (SIZE - 1)] = row;
    block.height += row.height;
    bytes += row.bytes;
  }

  return {
    at,
    get first() {
      return first;
    },
    /** The number that the next row will have. */
    get next() {
      return next;
    },
    get length() {
      return next - first;
    },
    get bytes() {
      return bytes;
    },
    get height() {
      return blocks.reduce((sum, block) => sum + block.height, 0);
    },

    push(row) {
      if ((next & (SIZE - 1)) === 0 || !blocks.length) blocks.push({ rows: new Array(SIZE), height: 0 });
      put(row, next);
      next++;
    },

    /** Puts a row before the first. */
    unshift(row) {
      if ((first & (SIZE - 1)) === 0 || !blocks.length) blocks.unshift({ rows: new Array(SIZE), height: 0 });
      first--;
      put(row, first);
    },

    /** Takes the first row away. */
    shift() {
      const row = at(first);
      if (!row) return undefined;
      const block = blockOf(first);
      block.rows[first & (SIZE - 1)] = undefined;
      block.height -= row.height;
      bytes -= row.bytes;
      first++;
      if ((first & (SIZE - 1)) === 0 || first === next) blocks.shift();
      return row;
    },

    resize(row, height) {
      if (at(row.number) !== row) return;
      blockOf(row.number).height += height - row.height;
      row.height = height;
    },

    /** Gives each row the height that heightOf(row) tells. */
    resizeAll(heightOf) {
      for (const block of blocks) {
        block.height = 0;
        for (const row of block.rows) if (row) block.height += row.height = heightOf(row);
      }
    },

    grow(row, more) {
      if (at(row.number) !== row) return;
      row.bytes += more;
      bytes += more;
    },

    /** The top of a row, in pixels from the first one's. */
    top(number) {
      const place = (number >> BITS) - (first >> BITS);
      let sum = 0;
      for (let index = 0; index < place && index < blocks.length; index++) sum += blocks[index].height;
      for (let one = Math.max(first, (number >> BITS) << BITS); one < number && one < next; one++) sum += at(one).height;
      return sum;
    },

    /** The number of the row at a place; that of the nearest one for a place outside. */
    find(place) {
      let sum = 0;
      for (let index = 0; index < blocks.length; index++) {
        const { height } = blocks[index];
        if (sum + height > place) {
          let one = Math.max(first, ((first >> BITS) + index) << BITS);
          for (; one < next - 1; one++) {
            sum += at(one).height;
            if (sum > place) break;
          }
          return one;
        }
        sum += height;
      }
      return next - 1;
    },

    *[Symbol.iterator]() {
      for (let number = first; number < next; number++) yield at(number);
    },
  };
}
