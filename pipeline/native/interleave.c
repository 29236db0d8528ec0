/* Columns to one run of bytes, with the same literals between them in each row: what `%` does with
   a template that is repeated, without an object for each cell. */

#include "native.h"

#define MOST_COLUMNS 8
#define MOST_DIGITS 20

typedef struct {
    PyObject *items;        /* bytes, or numbers; NULL for pieces */
    const char *at;         /* the next piece of a run of bytes */
    const char *end;
    const char *separator;
    Py_ssize_t separator_size;
} Column;

/* Whether a list or a range has so many items. */
static int
has_items(PyObject *object, Py_ssize_t count)
{
    Py_ssize_t size;
    if (PyList_CheckExact(object)) {
        return PyList_GET_SIZE(object) == count;
    }
    if (!Py_IS_TYPE(object, &PyRange_Type)) {
        return 0;
    }
    if ((size = PySequence_Size(object)) < 0) {
        PyErr_Clear(); /* a range with more items than there are sizes */
    }
    return size == count;
}

/* One of `list[bytes]`, `list[int]`, `range`, or `(bytes, separator)`. */
static int
is_column(PyObject *object, Py_ssize_t count, Column *column)
{
    memset(column, 0, sizeof *column);
    if (PyTuple_CheckExact(object)) {
        PyObject *pieces, *separator;
        if (PyTuple_GET_SIZE(object) != 2) {
            return 0;
        }
        pieces = PyTuple_GET_ITEM(object, 0);
        separator = PyTuple_GET_ITEM(object, 1);
        if (!PyBytes_CheckExact(pieces) || !PyBytes_CheckExact(separator)
            || PyBytes_GET_SIZE(separator) == 0) {
            return 0;
        }
        column->at = PyBytes_AS_STRING(pieces);
        column->end = column->at + PyBytes_GET_SIZE(pieces);
        column->separator = PyBytes_AS_STRING(separator);
        column->separator_size = PyBytes_GET_SIZE(separator);
        return 1;
    }
    column->items = object;
    return has_items(object, count);
}

static int
add(Py_ssize_t *total, Py_ssize_t size)
{
    if (size > PY_SSIZE_T_MAX / 2 - *total) {
        return 0;
    }
    *total += size;
    return 1;
}

/* Whether a column's cells fit, and how many bytes they are at the most. */
static int
measure(const Column *column, Py_ssize_t count, Py_ssize_t *total)
{
    if (column->items == NULL) {
        return add(total, column->end - column->at);
    }
    if (!PyList_CheckExact(column->items)) {
        return count < PY_SSIZE_T_MAX / MOST_DIGITS && add(total, count * MOST_DIGITS);
    }
    for (Py_ssize_t index = 0; index < count; index++) {
        PyObject *item = PyList_GET_ITEM(column->items, index);
        if (PyBytes_CheckExact(item) ? !add(total, PyBytes_GET_SIZE(item))
                                     : !PyLong_CheckExact(item) || !add(total, MOST_DIGITS)) {
            return 0;
        }
    }
    return 1;
}

/* A number in decimal; NULL where it has more than 63 bits, or is below 0. */
static char *
put_number(char *to, PyObject *number)
{
    char digits[MOST_DIGITS];
    int overflow, size = 0;
    long long value = PyLong_AsLongLongAndOverflow(number, &overflow);
    if (overflow || value < 0) {
        return NULL;
    }
    do {
        digits[size++] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    while (size) {
        *to++ = digits[--size];
    }
    return to;
}

static char *
put_item(char *to, PyObject *item)
{
    Py_ssize_t size;
    if (PyLong_CheckExact(item)) {
        return put_number(to, item);
    }
    size = PyBytes_GET_SIZE(item);
    memcpy(to, PyBytes_AS_STRING(item), (size_t)size);
    return to + size;
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
static char *
put_piece(char *to, PyObject *literal, Column *column, int last)
{
    const char *stop = find(column->at, column->end, column->separator, column->separator_size);
    size_t size;
    if ((stop == NULL) != last) {
        return NULL;
    }
    size = (size_t)((last ? column->end : stop) - column->at);
    if (size == 0 && PyBytes_GET_SIZE(literal) > 0 && to[-1] == ',') {
        to--;
    }
    memcpy(to, column->at, size);
    column->at = last ? column->end : stop + column->separator_size;
    return to + size;
}

static char *
put_cell(char *to, PyObject *literal, Column *column, Py_ssize_t index, int last)
{
    PyObject *item;
    if (column->items == NULL) {
        return put_piece(to, literal, column, last);
    }
    if (PyList_CheckExact(column->items)) {
        return put_item(to, PyList_GET_ITEM(column->items, index));
    }
    if ((item = PySequence_GetItem(column->items, index)) == NULL) {
        return NULL;
    }
    to = put_item(to, item); /* of a range, a number */
    Py_DECREF(item);
    return to;
}

/* Behind what was written; NULL, perhaps with an exception set, where something does not fit. */
static char *
write_all(char *to, PyObject *literals, Column *columns, Py_ssize_t width, Py_ssize_t count)
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
    char *end;

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
    end = write_all(PyBytes_AS_STRING(data), literals, columns, width, count);
    if (end == NULL) {
        Py_DECREF(data);
        return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
    }
    _PyBytes_Resize(&data, end - PyBytes_AS_STRING(data));
    return data;
}
