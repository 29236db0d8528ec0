/* Columns to one run of bytes, with the same literals between them in each row: what `%` does with
   a template that is repeated, without an object for each cell. */

#include "numbers.h"
#include "put.h"
#include "quote.h"

#define MOST_COLUMNS 8

enum kind { ITEMS, RANGE, QUOTED, CHOICES, PIECES };

typedef struct {
    enum kind kind;
    PyObject *items;        /* a list of bytes or numbers; of choices, a tuple of bytes */
    Numbers range;
    const char *at;         /* the next piece of a run of bytes, or the next row's choice */
    const char *end;
    const char *separator;
    Py_ssize_t separator_size;
} Column;

static int
is_list(PyObject *object, Py_ssize_t count)
{
    return PyList_CheckExact(object) && PyList_GET_SIZE(object) == count;
}

/* `(bytes, (bytes, …))`: for each row, which of those it is. */
static int
is_choices(PyObject *rows, PyObject *choices, Py_ssize_t count, Column *column)
{
    if (!PyBytes_CheckExact(rows) || PyBytes_GET_SIZE(rows) != count
        || !dockline_are_choices((const byte *)PyBytes_AS_STRING(rows), count, choices)) {
        return 0;
    }
    column->kind = CHOICES;
    column->items = choices;
    column->at = PyBytes_AS_STRING(rows);
    return 1;
}

static int
is_pieces(PyObject *pieces, PyObject *separator, Column *column)
{
    if (!PyBytes_CheckExact(pieces) || !PyBytes_CheckExact(separator)
        || PyBytes_GET_SIZE(separator) == 0) {
        return 0;
    }
    column->kind = PIECES;
    column->at = PyBytes_AS_STRING(pieces);
    column->end = column->at + PyBytes_GET_SIZE(pieces);
    column->separator = PyBytes_AS_STRING(separator);
    column->separator_size = PyBytes_GET_SIZE(separator);
    return 1;
}

/* One of `list[bytes]`, `list[int]`, `range`, and the tuples of `Column` of `__init__.py`. */
static int
is_column(PyObject *object, Py_ssize_t count, Column *column)
{
    memset(column, 0, sizeof *column);
    if (PyTuple_CheckExact(object) && PyTuple_GET_SIZE(object) == 1) {
        column->kind = QUOTED;
        column->items = PyTuple_GET_ITEM(object, 0);
        return is_list(column->items, count);
    }
    if (PyTuple_CheckExact(object) && PyTuple_GET_SIZE(object) == 2) {
        PyObject *first = PyTuple_GET_ITEM(object, 0), *second = PyTuple_GET_ITEM(object, 1);
        return PyTuple_CheckExact(second) ? is_choices(first, second, count, column)
                                          : is_pieces(first, second, column);
    }
    column->kind = ITEMS;
    column->items = object;
    if (PyList_CheckExact(object)) {
        return is_list(object, count);
    }
    column->kind = RANGE;
    return dockline_numbers(object, count, &column->range);
}

/* The most bytes that a cell takes; -1 where it is none. */
static Py_ssize_t
size_of(const Column *column, Py_ssize_t index)
{
    PyObject *item;
    if (column->kind == RANGE) {
        return MOST_DIGITS;
    }
    if (column->kind == CHOICES) {
        return PyBytes_GET_SIZE(PyTuple_GET_ITEM(column->items, (byte)column->at[index]));
    }
    item = PyList_GET_ITEM(column->items, index);
    if (!PyBytes_CheckExact(item)) {
        return column->kind == ITEMS && PyLong_CheckExact(item) ? MOST_DIGITS : -1;
    }
    if (column->kind == ITEMS) {
        return PyBytes_GET_SIZE(item);
    }
    if (PyBytes_GET_SIZE(item) > PY_SSIZE_T_MAX / 8) {
        return -1;
    }
    return dockline_quoted_size((const byte *)PyBytes_AS_STRING(item), PyBytes_GET_SIZE(item));
}

/* Whether a column's cells fit, and how many bytes they are at the most. */
static int
measure(const Column *column, Py_ssize_t count, Py_ssize_t *total)
{
    if (column->kind == PIECES) {
        return add(total, column->end - column->at);
    }
    for (Py_ssize_t index = 0; index < count; index++) {
        Py_ssize_t size = size_of(column, index);
        if (size < 0 || !add(total, size)) {
            return 0;
        }
    }
    return 1;
}

/* A number in decimal; NULL where it has more than 63 bits, or is below 0. */
static byte *
put_number(byte *to, PyObject *number)
{
    int overflow;
    long long value = PyLong_AsLongLongAndOverflow(number, &overflow);
    return overflow || value < 0 ? NULL : put_digits(to, (uint64_t)value);
}

static byte *
put_item(byte *to, PyObject *item)
{
    return PyLong_CheckExact(item) ? put_number(to, item) : put_bytes(to, item);
}

static const char *
find(const char *at, const char *end, const char *separator, Py_ssize_t size)
{
    while (end - at >= size
           && (at = memchr(at, separator[0], (size_t)(end - at - size + 1))) != NULL) {
        if (memcmp(at, separator, (size_t)size) == 0) {
            return at;
        }
        at++;
    }
    return NULL;
}

/* The next piece, or the last. NULL where there are fewer or more than rows. Before an empty one,
   the comma that `literal` may end in is taken back. */
static byte *
put_piece(byte *to, PyObject *literal, Column *column, int last)
{
    const char *stop = find(column->at, column->end, column->separator, column->separator_size);
    Py_ssize_t size;
    if ((stop == NULL) != last) {
        return NULL;
    }
    size = (last ? column->end : stop) - column->at;
    if (size == 0 && PyBytes_GET_SIZE(literal) > 0 && to[-1] == ',') {
        to--;
    }
    to = put(to, column->at, size);
    column->at = last ? column->end : stop + column->separator_size;
    return to;
}

static byte *
put_cell(byte *to, PyObject *literal, Column *column, Py_ssize_t index, int last)
{
    PyObject *item;
    switch (column->kind) {
    case PIECES:
        return put_piece(to, literal, column, last);
    case RANGE:
        return put_digits(to, (uint64_t)dockline_number(&column->range, index));
    case CHOICES:
        return put_item(to, PyTuple_GET_ITEM(column->items, (byte)*column->at++));
    case QUOTED:
        item = PyList_GET_ITEM(column->items, index);
        return dockline_put_quoted(to, (const byte *)PyBytes_AS_STRING(item),
                                   PyBytes_GET_SIZE(item));
    default:
        return put_item(to, PyList_GET_ITEM(column->items, index));
    }
}

/* Behind what was written; NULL where something does not fit. */
static byte *
write_all(byte *to, PyObject *literals, Column *columns, Py_ssize_t width, Py_ssize_t count)
{
    for (Py_ssize_t index = 0; index < count; index++) {
        for (Py_ssize_t place = 0; place < width; place++) {
            PyObject *literal = PyTuple_GET_ITEM(literals, place);
            to = put_item(to, literal);
            to = put_cell(to, literal, &columns[place], index, index == count - 1);
            if (to == NULL) {
                return NULL;
            }
        }
        to = put_item(to, PyTuple_GET_ITEM(literals, width));
    }
    return to;
}

PyObject *
dockline_interleave(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    PyObject *literals, *given, *data;
    Py_ssize_t count, width, total = 0;
    Column columns[MOST_COLUMNS];
    byte *end;

    if (!PyArg_ParseTuple(arguments, "O!O!n:interleave", &PyTuple_Type, &literals, &PyTuple_Type,
                          &given, &count)) {
        return NULL;
    }
    width = PyTuple_GET_SIZE(given);
    if (count < 1 || width < 1 || width > MOST_COLUMNS || PyTuple_GET_SIZE(literals) != width + 1) {
        Py_RETURN_NONE;
    }
    for (Py_ssize_t place = 0; place <= width; place++) {
        PyObject *literal = PyTuple_GET_ITEM(literals, place);
        if (!PyBytes_CheckExact(literal)
            || PyBytes_GET_SIZE(literal) > PY_SSIZE_T_MAX / 2 / count
            || !add(&total, PyBytes_GET_SIZE(literal) * count)) {
            Py_RETURN_NONE;
        }
    }
    for (Py_ssize_t place = 0; place < width; place++) {
        if (!is_column(PyTuple_GET_ITEM(given, place), count, &columns[place])
            || !measure(&columns[place], count, &total)) {
            Py_RETURN_NONE;
        }
    }
    if ((data = PyBytes_FromStringAndSize(NULL, total)) == NULL) {
        return NULL;
    }
    end = write_all((byte *)PyBytes_AS_STRING(data), literals, columns, width, count);
    if (end == NULL) {
        Py_DECREF(data);
        Py_RETURN_NONE;
    }
    _PyBytes_Resize(&data, end - (byte *)PyBytes_AS_STRING(data));
    return data;
}
