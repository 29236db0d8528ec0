/* Columns to RFC 5424 or 3164 in their framing: what `_octet_counted` and `_ended` do, and the
   replacement of control characters before it, in one run over the lines. */

#include "put.h"

#define SEVERITIES 8
#define COUNTED -1 /* each stands behind its length */

typedef struct {
    PyObject *prefixes;
    const char *after;
    Py_ssize_t after_size;
    Py_ssize_t time_size;
    const char *severities;
    Py_ssize_t count;
    PyObject *times;
    PyObject *lines;
    Py_ssize_t room;
    int end; /* of a message, a byte; or COUNTED */
} Messages;

static PyObject *
prefix_of(const Messages *messages, Py_ssize_t index)
{
    return PyTuple_GET_ITEM(messages->prefixes, (byte)messages->severities[index]);
}

static Py_ssize_t
size_of(const Messages *messages, Py_ssize_t index)
{
    return PyBytes_GET_SIZE(prefix_of(messages, index)) + messages->time_size
           + messages->after_size + PyBytes_GET_SIZE(PyList_GET_ITEM(messages->lines, index));
}

/* Whether everything is of the kind and size that `write` relies on. */
static int
are_sound(const Messages *messages)
{
    if (PyTuple_GET_SIZE(messages->prefixes) != SEVERITIES || messages->time_size < 0
        || PyList_GET_SIZE(messages->times) != messages->count
        || PyList_GET_SIZE(messages->lines) != messages->count) {
        return 0;
    }
    for (Py_ssize_t index = 0; index < SEVERITIES; index++) {
        if (!PyBytes_CheckExact(PyTuple_GET_ITEM(messages->prefixes, index))) {
            return 0;
        }
    }
    for (Py_ssize_t index = 0; index < messages->count; index++) {
        PyObject *time = PyList_GET_ITEM(messages->times, index);
        PyObject *line = PyList_GET_ITEM(messages->lines, index);
        if (!PyBytes_CheckExact(time) || PyBytes_GET_SIZE(time) < messages->time_size
            || !PyBytes_CheckExact(line) || PyBytes_GET_SIZE(line) > messages->room
            || (byte)messages->severities[index] >= SEVERITIES) {
            return 0;
        }
    }
    return 1;
}

/* Bytes of all messages, or -1 where they are more than there can be. */
static Py_ssize_t
total_of(const Messages *messages)
{
    Py_ssize_t total = 0;
    for (Py_ssize_t index = 0; index < messages->count; index++) {
        Py_ssize_t size = size_of(messages, index);
        size += messages->end == COUNTED ? digits_of((uint64_t)size) + 1 : 1;
        if (total > PY_SSIZE_T_MAX / 2 - size) {
            return -1;
        }
        total += size;
    }
    return total;
}

static void
blank(byte *at, const byte *end, int control)
{
    while (at < end && (at = memchr(at, control, (size_t)(end - at))) != NULL) {
        *at++ = ' ';
    }
}

static void
write_all(const Messages *messages, byte *to)
{
    for (Py_ssize_t index = 0; index < messages->count; index++) {
        PyObject *prefix = prefix_of(messages, index);
        PyObject *line = PyList_GET_ITEM(messages->lines, index);
        byte *text;
        if (messages->end == COUNTED) {
            to = put_digits(to, (uint64_t)size_of(messages, index));
            *to++ = ' ';
        }
        to = put_bytes(to, prefix);
        to = put(to, PyBytes_AS_STRING(PyList_GET_ITEM(messages->times, index)),
                 messages->time_size);
        to = put(to, messages->after, messages->after_size);
        text = to;
        to = put_bytes(to, line);
        blank(text, to, '\0');
        if (messages->end == '\n') {
            blank(text, to, '\n');
            blank(text, to, '\r');
        }
        if (messages->end != COUNTED) {
            *to++ = (byte)messages->end;
        }
    }
}

PyObject *
dockline_syslog(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    Messages messages;
    const char *end;
    Py_ssize_t end_size, total;
    PyObject *data;

    if (!PyArg_ParseTuple(arguments, "O!y#ny#O!O!ny#:syslog", &PyTuple_Type, &messages.prefixes,
                          &messages.after, &messages.after_size, &messages.time_size,
                          &messages.severities, &messages.count, &PyList_Type, &messages.times,
                          &PyList_Type, &messages.lines, &messages.room, &end, &end_size)) {
        return NULL;
    }
    messages.end = end_size == 1 ? (byte)end[0] : COUNTED;
    if (end_size > 1 || !are_sound(&messages) || (total = total_of(&messages)) < 0) {
        Py_RETURN_NONE;
    }
    if ((data = PyBytes_FromStringAndSize(NULL, total)) != NULL) {
        write_all(&messages, (byte *)PyBytes_AS_STRING(data));
    }
    return data;
}
