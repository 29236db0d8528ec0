/* Frames of the Engine's stream to columns: the common branch of `FrameDecoder._one_by_one`, up to the
   first frame that is anything else than a whole line behind a timestamp. */

#include "native.h"

#define HEADER 8
#define TIME 30
#define BEFORE_LINE (TIME + 1)

static Py_ssize_t
size_of(const byte *header)
{
    return (Py_ssize_t)((uint32_t)header[4] << 24 | (uint32_t)header[5] << 16
                        | (uint32_t)header[6] << 8 | (uint32_t)header[7]);
}

/* The frame at `at`, with its header; 0 where it is not complete, or anything else than a line. */
static Py_ssize_t
whole_line(const byte *at, Py_ssize_t room, Py_ssize_t longest)
{
    const byte *payload = at + HEADER;
    Py_ssize_t size;
    if (room < HEADER || (at[0] != 1 && at[0] != 2)) {
        return 0;
    }
    size = size_of(at);
    if (size > room - HEADER || size < BEFORE_LINE + 1 || size - BEFORE_LINE - 1 > longest) {
        return 0;
    }
    if (payload[size - 1] != '\n' || payload[TIME] != ' ' || payload[TIME - 1] != 'Z') {
        return 0;
    }
    if (memchr(payload, ' ', TIME) != NULL) { /* a shorter time, and text that looks like its end */
        return 0;
    }
    return HEADER + size;
}

static int
append(PyObject *list, const byte *from, Py_ssize_t size)
{
    PyObject *item = PyBytes_FromStringAndSize((const char *)from, size);
    int failed = item == NULL ? -1 : PyList_Append(list, item);
    Py_XDECREF(item);
    return failed;
}

/* Bytes taken, or -1 with an exception set. */
static Py_ssize_t
fill(const byte *begin, Py_ssize_t room, Py_ssize_t longest, PyObject *lines, PyObject *times,
     byte *streams)
{
    const byte *at = begin;
    Py_ssize_t whole;
    while ((whole = whole_line(at, room, longest)) > 0) {
        const byte *payload = at + HEADER;
        if (append(lines, payload + BEFORE_LINE, whole - HEADER - BEFORE_LINE - 1) < 0
            || append(times, payload, TIME) < 0) {
            return -1;
        }
        *streams++ = at[0];
        at += whole;
        room -= whole;
    }
    return at - begin;
}

PyObject *
dockline_frames(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    Py_buffer data;
    Py_ssize_t longest, most, taken = -1;
    PyObject *lines, *times, *streams, *end = NULL;

    if (!PyArg_ParseTuple(arguments, "y*n:frames", &data, &longest)) {
        return NULL;
    }
    most = data.len / (HEADER + BEFORE_LINE + 1);
    lines = PyList_New(0);
    times = PyList_New(0);
    streams = PyByteArray_FromStringAndSize(NULL, most);
    if (lines != NULL && times != NULL && streams != NULL) {
        byte *stream = (byte *)PyByteArray_AS_STRING(streams);
        taken = fill(data.buf, data.len, longest, lines, times, stream);
    }
    if (taken >= 0 && PyByteArray_Resize(streams, PyList_GET_SIZE(lines)) == 0) {
        end = PyLong_FromSsize_t(taken);
    }
    PyBuffer_Release(&data);
    return dockline_pack(lines, times, streams, end);
}
