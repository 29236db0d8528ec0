/** The table of containers as the stream tells it: all rows first, then those that changed. */

/** A table whose rows are objects by column, in `rows` (a Map by id); `version` counts changes. */
export function createTable() {
  return { rows: new Map(), columns: [], version: 0, complete: false };
}

/** Takes the `table` of a line of /api/now. `fresh`: it is a stream's first, and has all rows. */
export function applyTable(table, change, fresh) {
  if (!change) return;
  if (fresh) table.rows.clear();
  table.columns = change.columns ?? table.columns;
  for (const values of change.rows) {
    const row = {};
    for (let index = 0; index < table.columns.length; index++) row[table.columns[index]] = values[index];
    table.rows.set(row.id, row);
  }
  for (const id of change.gone ?? []) table.rows.delete(id);
  table.complete = true;
  table.version++;
}
