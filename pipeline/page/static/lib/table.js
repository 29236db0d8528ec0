/** The table of containers as the stream tells it: all rows first, then those that changed. */

/**
 * A table: `rows` by id, each with its columns as properties. `version`
 * counts changes, `members` those of who is in it and under which name.
 */
export function createTable() {
  return { rows: new Map(), columns: [], Row: null, version: 0, members: 0, complete: false };
}

/** Takes the `table` of a line of /api/now. `fresh`: it is a stream's first, and has all rows. */
export function applyTable(table, change, fresh) {
  if (!change) return;
  const all = change.full ?? fresh; // also where the agent no longer knows what has gone
  if (all) table.rows.clear();
  if (table.columns.join() !== change.columns.join()) {
    table.columns = change.columns;
    table.Row = rowOf(change.columns);
  }
  const id = table.columns.indexOf("id");
  let members = all || Boolean(change.gone?.length);
  for (const values of change.rows) {
    const before = table.rows.get(values[id]);
    const row = new table.Row(values);
    table.rows.set(values[id], row);
    members ||= before?.name !== row.name;
  }
  for (const gone of change.gone ?? []) table.rows.delete(gone);
  if (members) table.members++;
  table.complete = true;
  table.version++;
}

/**
 * A row keeps its list of values, and its columns are read from that: 10,000 objects of 29
 * properties each took five times as long to make.
 */
function rowOf(columns) {
  function Row(values) {
    this.values = values;
    this.text = undefined; // what it is found by, see containers/rows.js
  }
  columns.forEach((column, index) => {
    Object.defineProperty(Row.prototype, column, {
      get() {
        return this.values[index];
      },
    });
  });
  return Row;
}
