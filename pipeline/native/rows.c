/* Rows of a json-file log to columns: what `JsonLines._whole` does, for rows as dockerd writes them.

   {"log":"text\n","stream":"stdout","time":"2026-01-31T23:59:59.123456789Z"}

   `"attrs"` may stand before the time. Every other order, name, space or kind of value, a text
   without its newline or with one more, half a surrogate, and bytes that are no UTF-8 make the
   whole answer None. */

#include "native.h"

#define ON_THE_STACK 32768
#define FULL_TIME 30

#define TAKE(literal) take(&at, end, literal, sizeof(literal) - 1)

/* Whether `literal` stands at `*at`, which then moves behind it. */
static int
take(const byte **at, const byte *end, const char *literal, size_t size)
{
    if ((size_t)(end - *at) < size || memcmp(*at, literal, size) != 0) {
        return 0;
    }
    *at += size;
    return 1;
}

/* A quoted ASCII text that has no escapes. */
static int
pass_simple_text(const byte **from, const byte *end)
{
    const byte *at = *from;
    if (at == end || *at++ != '"') {
        return 0;
    }
    while (at < end && *at >= 0x20 && *at < 0x80 && *at != '"' && *at != '\\') {
        at++;
    }
    if (at == end || *at != '"') {
        return 0;
    }
    *from = at + 1;
    return 1;
}

/* `{"name":"value",…}`, behind its brace. */
static int
pass_attributes(const byte **from, const byte *end)
{
    const byte *at = *from;
    do {
        if (!pass_simple_text(&at, end) || !TAKE(":") || !pass_simple_text(&at, end)) {
            return 0;
        }
    } while (TAKE(","));
    if (!TAKE("}")) {
        return 0;
    }
    *from = at;
    return 1;
}

/* With nine digits behind the point; empty for what is no time. As `_fixed` of the Python. NULL
   without an exception where a byte makes it none of ours. */
static PyObject *
time_of(const byte *time, Py_ssize_t size)
{
    char fixed[FULL_TIME];
    int odd = 0;
    for (Py_ssize_t index = 0; index < size; index++) {
        byte each = time[index];
        odd |= (each <= ' ') | (each >= 0x7F) | (each == '"') | (each == '\\');
    }
    if (odd) {
        return NULL;
    }
    if (size == FULL_TIME) {
        return PyBytes_FromStringAndSize((const char *)time, size);
    }
    if (size < 20 || size > FULL_TIME || time[size - 1] != 'Z') {
        return PyBytes_FromStringAndSize(NULL, 0);
    }
    memset(fixed, '0', sizeof fixed);
    memcpy(fixed, time, (size_t)size - 1);
    if (size == 20) {
        fixed[19] = '.';
    }
    fixed[FULL_TIME - 1] = 'Z';
    return PyBytes_FromStringAndSize(fixed, FULL_TIME);
}

typedef struct {
    PyObject *line;
    PyObject *time;
    byte stream;
} Row;

/* One row, its newline not included. 0 where it is not of the common shape, or, with an exception
   set, where there is no memory; then nothing is held. `scratch` has room for it. */
static int
read_row(const byte *at, const byte *end, byte *scratch, Py_ssize_t longest, int tty, Row *row)
{
    Py_ssize_t size;
    if (!TAKE("{\"log\":\"") || (size = dockline_decode_text(&at, end, scratch)) < 0 || size > longest) {
        return 0;
    }
    if (TAKE(",\"stream\":\"stdout\"")) {
        row->stream = 1;
    }
    else if (TAKE(",\"stream\":\"stderr\"")) {
        row->stream = 2;
    }
    else {
        return 0;
    }
    if (TAKE(",\"attrs\":{") && !pass_attributes(&at, end)) {
        return 0;
    }
    if (!TAKE(",\"time\":\"") || end - at < 2 || end[-1] != '}' || end[-2] != '"') {
        return 0;
    }
    if ((row->time = time_of(at, end - 2 - at)) == NULL) {
        return 0;
    }
    if (tty && size > 0 && scratch[size - 1] == '\r') {
        size--;
    }
    row->line = PyBytes_FromStringAndSize((const char *)scratch, size);
    if (row->line == NULL) {
        Py_CLEAR(row->time);
        return 0;
    }
    return 1;
}

/* The same with a buffer for what is decoded. */
static int
read_any_row(const byte *at, const byte *end, Py_ssize_t longest, int tty, Row *row)
{
    byte scratch[ON_THE_STACK];
    byte *large;
    int taken;
    if (end - at <= ON_THE_STACK) {
        return read_row(at, end, scratch, longest, tty, row);
    }
    if ((large = PyMem_Malloc((size_t)(end - at))) == NULL) {
        PyErr_NoMemory();
        return 0;
    }
    taken = read_row(at, end, large, longest, tty, row);
    PyMem_Free(large);
    return taken;
}

static Py_ssize_t
count_of(const byte *at, const byte *end)
{
    Py_ssize_t count = 0;
    while ((at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        count++;
        if (++at == end) {
            break;
        }
    }
    return count;
}

/* As many rows as the columns have places. Whether all are of the common shape. */
static int
fill(const byte *at, const byte *end, Py_ssize_t longest, int tty, PyObject *lines,
     PyObject *times, PyObject *streams)
{
    Py_ssize_t count = PyList_GET_SIZE(lines);
    byte *stream = (byte *)PyByteArray_AS_STRING(streams);
    for (Py_ssize_t index = 0; index < count; index++) {
        const byte *stop = memchr(at, '\n', (size_t)(end - at));
        Row row;
        if (stop == NULL || !read_any_row(at, stop, longest, tty, &row)) {
            return 0;
        }
        PyList_SET_ITEM(lines, index, row.line);
        PyList_SET_ITEM(times, index, row.time);
        stream[index] = row.stream;
        at = stop + 1;
    }
    return at == end;
}

PyObject *
dockline_rows(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    Py_buffer block;
    Py_ssize_t longest, count;
    int tty;
    PyObject *lines, *times, *streams, *result = NULL;
    const byte *begin;

    if (!PyArg_ParseTuple(arguments, "y*np:rows", &block, &longest, &tty)) {
        return NULL;
    }
    begin = block.buf;
    count = block.len ? count_of(begin, begin + block.len) : 0;
    lines = PyList_New(count);
    times = PyList_New(count);
    streams = PyByteArray_FromStringAndSize(NULL, count);
    if (lines != NULL && times != NULL && streams != NULL
        && (block.len == 0
            || fill(begin, begin + block.len, longest, tty, lines, times, streams))) {
        result = PyTuple_Pack(3, lines, times, streams);
    }
    else if (!PyErr_Occurred()) {
        result = Py_NewRef(Py_None);
    }
    Py_XDECREF(lines);
    Py_XDECREF(times);
    Py_XDECREF(streams);
    PyBuffer_Release(&block);
    return result;
}
