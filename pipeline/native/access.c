/* Access logs to the rows of records: what `parsing/access_records` does with `parsing/access`, for
   the lines that `dockline_read_access` reads. */

#include "access.h"

#define MOST_CELLS 64 /* of `model/records`, MOST_NAMES */
#define NOWHERE 255

typedef struct {
    const byte *places; /* for each value its cell, or NOWHERE */
    Py_ssize_t width;
    PyObject *missing;
    Span spans[VALUES];
    Span known[VALUES];       /* the last values, which are usually the next ones, too */
    PyObject *texts[VALUES];  /* and the objects for these, or NULL */
} Reading;

static PyObject *
text_of(const Span *span)
{
    return PyUnicode_DecodeUTF8((const char *)span->from, span->to - span->from, "replace");
}

/* As in RFC 3339. */
static PyObject *
time_of(const byte *said)
{
    char time[] = "2026-01-31T23:59:59+00:00";
    int month = dockline_month_of(said);
    int is_utc = memcmp(said + 22, "0000", 4) == 0;

    memcpy(time, said + 7, 4);
    time[5] = (char)('0' + month / 10);
    time[6] = (char)('0' + month % 10);
    memcpy(time + 8, said, 2);
    memcpy(time + 11, said + 12, 8);
    memcpy(time + 19, said + 21, 3);
    memcpy(time + 23, said + 24, 2);
    if (is_utc) {
        time[19] = 'Z';
    }
    return PyUnicode_DecodeUTF8(time, is_utc ? 20 : 25, NULL);
}

/* The digits without anything else that is between them. */
static long long
number_of(const Span *span)
{
    long long number = 0;
    for (const byte *at = span->from; at < span->to; at++) {
        if (*at != '.') {
            number = number * 10 + (*at - '0');
        }
    }
    return number;
}

static PyObject *
made(const Reading *reading, int value)
{
    const Span *span = &reading->spans[value];
    if (value == TIMESTAMP) {
        return time_of(span->from);
    }
    if (value == STATUS || value == SIZE) {
        return PyLong_FromLongLong(number_of(span));
    }
    if (value >= FIRST_SECONDS) { /* both are exact, so their quotient is what the text spells */
        return PyFloat_FromDouble((double)number_of(span) / 1000.0);
    }
    return text_of(span);
}

/* A new reference to the object for a value; that of a line before, if it said the same. */
static PyObject *
cell_of(Reading *reading, int value)
{
    const Span *span = &reading->spans[value], *known = &reading->known[value];
    const Py_ssize_t size = span->to - span->from;
    PyObject *text = reading->texts[value];

    if (text == NULL || size != known->to - known->from
        || memcmp(span->from, known->from, (size_t)size) != 0) {
        if ((text = made(reading, value)) == NULL) {
            return NULL;
        }
        Py_XDECREF(reading->texts[value]);
        reading->texts[value] = text;
        reading->known[value] = *span;
    }
    return Py_NewRef(text);
}

/* A tuple of the line's values at their places; None where one of them has no place. */
static PyObject *
row_of(Reading *reading)
{
    for (int value = 0; value < VALUES; value++) {
        if (reading->spans[value].from != NULL && reading->places[value] == NOWHERE) {
            Py_RETURN_NONE;
        }
    }
    PyObject *row = PyTuple_New(reading->width);
    for (int value = 0; row != NULL && value < VALUES; value++) {
        if (reading->spans[value].from != NULL) {
            PyObject *cell = cell_of(reading, value);
            if (cell == NULL) {
                Py_CLEAR(row);
                break;
            }
            PyTuple_SET_ITEM(row, reading->places[value], cell);
        }
    }
    for (Py_ssize_t place = 0; row != NULL && place < reading->width; place++) {
        if (PyTuple_GET_ITEM(row, place) == NULL) {
            PyTuple_SET_ITEM(row, place, Py_NewRef(reading->missing));
        }
    }
    return row;
}

/* Appends the row of a line to `rows`, or None, and then its index to `left`. Whether there was
   memory. */
static int
add(Reading *reading, PyObject *line, const char *others, Py_ssize_t other_count, PyObject *rows,
    Py_ssize_t index, PyObject *left)
{
    const byte *text = (const byte *)PyBytes_AS_STRING(line);
    const Py_ssize_t size = PyBytes_GET_SIZE(line);
    PyObject *row;

    if (size == 0 || memchr(others, text[0], (size_t)other_count) != NULL
        || !dockline_read_access(text, text + size, reading->spans)) {
        row = Py_NewRef(Py_None);
    } else if ((row = row_of(reading)) == NULL) {
        return 0;
    }
    PyList_SET_ITEM(rows, index, row);
    if (row == Py_None) {
        PyObject *place = PyLong_FromSsize_t(index);
        int appended = place != NULL && PyList_Append(left, place) == 0;
        Py_XDECREF(place);
        return appended;
    }
    return 1;
}

static int
are_sound(const byte *places, Py_ssize_t count, Py_ssize_t width)
{
    byte taken[MOST_CELLS] = {0};

    if (count != VALUES || width < 0 || width > MOST_CELLS) {
        return 0;
    }
    for (int value = 0; value < VALUES; value++) {
        if (places[value] != NOWHERE && (places[value] >= width || taken[places[value]]++)) {
            return 0;
        }
    }
    return 1;
}

PyObject *
dockline_access(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    Reading reading = {0};
    PyObject *lines;
    const char *places, *others;
    Py_ssize_t place_count, other_count;

    if (!PyArg_ParseTuple(arguments, "O!y#nOy#:access", &PyList_Type, &lines, &places, &place_count,
                          &reading.width, &reading.missing, &others, &other_count)) {
        return NULL;
    }
    const Py_ssize_t count = PyList_GET_SIZE(lines);
    reading.places = (const byte *)places;
    if (!are_sound(reading.places, place_count, reading.width)
        || !dockline_are_bytes(lines, count)) {
        PyErr_SetString(PyExc_TypeError, "access: lines are bytes, and places are in their row");
        return NULL;
    }
    PyObject *rows = PyList_New(count), *left = PyList_New(0), *both = NULL;
    int is_good = rows != NULL && left != NULL;
    for (Py_ssize_t index = 0; is_good && index < count; index++) {
        PyObject *line = PyList_GET_ITEM(lines, index);
        is_good = add(&reading, line, others, other_count, rows, index, left);
    }
    for (int value = 0; value < VALUES; value++) {
        Py_XDECREF(reading.texts[value]);
    }
    if (is_good) {
        both = PyTuple_Pack(2, rows, left);
    }
    Py_XDECREF(rows);
    Py_XDECREF(left);
    return both;
}
