/* Columns to one run of bytes, with the same literals between them in each row, where a cell may
   stand behind its length, as texts of RESP do: `$5`, CR LF, five bytes, CR LF. */

#include "numbers.h"
#include "put.h"

#define MOST_COLUMNS 8
#define AROUND (1 + MOST_DIGITS + 2 + 2) /* bytes beside a text of RESP, at the most */

typedef struct {
    PyObject *items; /* a list of bytes and numbers; NULL for another column */
    Numbers range;
    const char *at; /* the next line of a run of bytes, each ended by LF; NULL for a range */
    const char *end;
    int is_text;
} Column;

typedef struct {
    const char *text;
    Py_ssize_t size;
    byte digits[MOST_DIGITS]; /* where it is a number */
} Cell;

static int
set_number(Cell *cell, long long number)
{
    if (number < 0) {
        return 0;
    }
    cell->text = (const char *)cell->digits;
    cell->size = put_digits(cell->digits, (uint64_t)number) - cell->digits;
    return 1;
}

/* The next cell. 0 where there is none, or it cannot be written. */
static int
set_cell(Cell *cell, Column *column, Py_ssize_t index)
{
    PyObject *item;
    if (column->items == NULL && column->at == NULL) {
        return set_number(cell, dockline_number(&column->range, index));
    }
    if (column->items == NULL) {
        size_t left = (size_t)(column->end - column->at);
        const char *stop = left ? memchr(column->at, '\n', left) : NULL;
        if (stop == NULL) {
            return 0;
        }
        cell->text = column->at;
        cell->size = stop - column->at;
        column->at = stop + 1;
        return 1;
    }
    item = PyList_GET_ITEM(column->items, index);
    if (PyLong_CheckExact(item)) {
        int overflow;
        long long number = PyLong_AsLongLongAndOverflow(item, &overflow);
        return !overflow && set_number(cell, number);
    }
    cell->text = PyBytes_AS_STRING(item);
    cell->size = PyBytes_GET_SIZE(item);
    return 1;
}

/* Whether it is a column of so many cells, and how many bytes they are at the most. */
static int
measure(PyObject *object, Py_ssize_t count, Column *column, Py_ssize_t *total)
{
    column->items = NULL;
    column->at = NULL;
    if (PyBytes_CheckExact(object)) {
        column->at = PyBytes_AS_STRING(object);
        column->end = column->at + PyBytes_GET_SIZE(object);
        return add(total, PyBytes_GET_SIZE(object));
    }
    if (!PyList_CheckExact(object)) {
        return dockline_numbers(object, count, &column->range)
               && add(total, count * MOST_DIGITS);
    }
    column->items = object;
    if (PyList_GET_SIZE(object) != count) {
        return 0;
    }
    for (Py_ssize_t index = 0; index < count; index++) {
        PyObject *item = PyList_GET_ITEM(object, index);
        if (PyBytes_CheckExact(item) ? !add(total, PyBytes_GET_SIZE(item))
                                     : !PyLong_CheckExact(item) || !add(total, MOST_DIGITS)) {
            return 0;
        }
    }
    return 1;
}

/* Behind a row; NULL where something does not fit. */
static byte *
write_row(byte *to, PyObject *literals, Column *columns, Py_ssize_t width, Py_ssize_t index)
{
    Cell cell;
    for (Py_ssize_t place = 0; place < width; place++) {
        to = put_bytes(to, PyTuple_GET_ITEM(literals, place));
        if (!set_cell(&cell, &columns[place], index)) {
            return NULL;
        }
        if (columns[place].is_text) {
            *to++ = '$';
            to = put_digits(to, (uint64_t)cell.size);
            to = put(to, "\r\n", 2);
        }
        to = put(to, cell.text, cell.size);
        if (columns[place].is_text) {
            to = put(to, "\r\n", 2);
        }
    }
    return put_bytes(to, PyTuple_GET_ITEM(literals, width));
}

/* The rows and where each ends; NULL, perhaps with an exception set. */
static PyObject *
write_all(PyObject *literals, Column *columns, Py_ssize_t width, Py_ssize_t count, Py_ssize_t most)
{
    PyObject *data = PyBytes_FromStringAndSize(NULL, most), *ends = PyList_New(count), *both;
    byte *start = data == NULL ? NULL : (byte *)PyBytes_AS_STRING(data), *to = start;
    for (Py_ssize_t index = 0; ends != NULL && to != NULL && index < count; index++) {
        PyObject *end = NULL;
        if ((to = write_row(to, literals, columns, width, index)) != NULL
            && (end = PyLong_FromSsize_t(to - start)) == NULL) {
            to = NULL;
        }
        if (end != NULL) {
            PyList_SET_ITEM(ends, index, end);
        }
    }
    for (Py_ssize_t place = 0; to != NULL && place < width; place++) {
        if (columns[place].at != NULL && columns[place].at != columns[place].end) {
            to = NULL;
        }
    }
    if (ends == NULL || to == NULL) {
        Py_XDECREF(data);
        Py_XDECREF(ends);
        return NULL;
    }
    if (_PyBytes_Resize(&data, to - start) < 0) {
        Py_DECREF(ends);
        return NULL;
    }
    both = PyTuple_Pack(2, data, ends);
    Py_DECREF(data);
    Py_DECREF(ends);
    return both;
}

PyObject *
dockline_counted(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    PyObject *literals, *given, *found;
    const char *texts;
    Py_ssize_t width, count, most = 0;
    Column columns[MOST_COLUMNS];

    if (!PyArg_ParseTuple(arguments, "O!O!y#n:counted", &PyTuple_Type, &literals, &PyTuple_Type,
                          &given, &texts, &width, &count)) {
        return NULL;
    }
    if (width < 1 || width > MOST_COLUMNS || count < 0 || PyTuple_GET_SIZE(given) != width
        || PyTuple_GET_SIZE(literals) != width + 1
        || count > PY_SSIZE_T_MAX / 2 / (MOST_COLUMNS * AROUND)
        || !add(&most, count * width * AROUND)) {
        Py_RETURN_NONE;
    }
    for (Py_ssize_t place = 0; place <= width; place++) {
        PyObject *literal = PyTuple_GET_ITEM(literals, place);
        if (!PyBytes_CheckExact(literal)
            || (count && PyBytes_GET_SIZE(literal) > PY_SSIZE_T_MAX / 2 / count)
            || !add(&most, PyBytes_GET_SIZE(literal) * count)) {
            Py_RETURN_NONE;
        }
    }
    for (Py_ssize_t place = 0; place < width; place++) {
        columns[place].is_text = texts[place];
        if (!measure(PyTuple_GET_ITEM(given, place), count, &columns[place], &most)) {
            Py_RETURN_NONE;
        }
    }
    found = write_all(literals, columns, width, count, most);
    return found == NULL && !PyErr_Occurred() ? Py_NewRef(Py_None) : found;
}
