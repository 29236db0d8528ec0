/* Messages as gzip, each made of a front that is stored and a tail that was compressed before. */

#include "crc.h"

#define HEAD "\x1f\x8b\x08\0\0\0\0\0\0\xff"
#define HEAD_SIZE 10
#define STORED_SIZE 5
#define END_SIZE 8
#define LONGEST_STORED 0xFFFF
#define STEP_SIZE (33 * 4)

static byte *
put_little(byte *to, uint32_t value, int size)
{
    for (int index = 0; index < size; index++) {
        *to++ = (byte)(value >> 8 * index);
    }
    return to;
}

/* The CRC of a front and the tail behind it. `step` begins with the tail's own where that before
   is 0, and then has by what each bit of that before changes it. */
static uint32_t
crc_behind(uint32_t crc, const byte *step)
{
    uint32_t found = dockline_little(step);
    for (int bit = 0; bit < 32; bit++) {
        found ^= dockline_little(step + 4 + 4 * bit) & (0 - (crc >> bit & 1));
    }
    return found;
}

/* A tail: compressed, plain, and `step`. */
static int
is_tail(PyObject *tail)
{
    if (!PyTuple_Check(tail) || PyTuple_GET_SIZE(tail) != 3) {
        return 0;
    }
    for (int place = 0; place < 3; place++) {
        if (!PyBytes_CheckExact(PyTuple_GET_ITEM(tail, place))) {
            return 0;
        }
    }
    return PyBytes_GET_SIZE(PyTuple_GET_ITEM(tail, 2)) == STEP_SIZE;
}

static PyObject *
pack(PyObject *front, PyObject *tail, Py_ssize_t longest)
{
    PyObject *ready = PyTuple_GET_ITEM(tail, 0), *packed;
    Py_ssize_t size = PyBytes_GET_SIZE(front), rest = PyBytes_GET_SIZE(ready);
    const byte *text = (const byte *)PyBytes_AS_STRING(front);
    uint32_t crc;
    byte *to;
    if (size > LONGEST_STORED || rest > longest - HEAD_SIZE - STORED_SIZE - END_SIZE - size) {
        return PyBytes_FromStringAndSize(NULL, 0);
    }
    packed = PyBytes_FromStringAndSize(NULL, HEAD_SIZE + STORED_SIZE + size + rest + END_SIZE);
    if (packed == NULL) {
        return NULL;
    }
    to = (byte *)PyBytes_AS_STRING(packed);
    memcpy(to, HEAD, HEAD_SIZE);
    to += HEAD_SIZE;
    *to++ = 0; /* stored, and not the last block */
    to = put_little(to, (uint32_t)size, 2);
    to = put_little(to, ~(uint32_t)size, 2);
    memcpy(to, text, (size_t)size);
    to += size;
    memcpy(to, PyBytes_AS_STRING(ready), (size_t)rest);
    to += rest;
    crc = dockline_crc(text, size);
    to = put_little(to, crc_behind(crc, (const byte *)PyBytes_AS_STRING(PyTuple_GET_ITEM(tail, 2))),
                    4);
    size += PyBytes_GET_SIZE(PyTuple_GET_ITEM(tail, 1));
    put_little(to, (uint32_t)size, 4);
    return packed;
}

PyObject *
dockline_packed(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    PyObject *fronts, *tails, *messages;
    Py_ssize_t longest, count;

    if (!PyArg_ParseTuple(arguments, "O!O!n:packed", &PyList_Type, &fronts, &PyList_Type, &tails,
                          &longest)) {
        return NULL;
    }
    count = PyList_GET_SIZE(fronts);
    if (PyList_GET_SIZE(tails) != count || longest < 0 || longest > INT32_MAX) {
        Py_RETURN_NONE;
    }
    for (Py_ssize_t index = 0; index < count; index++) {
        if (!PyBytes_CheckExact(PyList_GET_ITEM(fronts, index))
            || !is_tail(PyList_GET_ITEM(tails, index))) {
            Py_RETURN_NONE;
        }
    }
    if ((messages = PyList_New(count)) == NULL) {
        return NULL;
    }
    for (Py_ssize_t index = 0; index < count; index++) {
        PyObject *one = pack(PyList_GET_ITEM(fronts, index), PyList_GET_ITEM(tails, index),
                             longest);
        if (one == NULL) {
            Py_DECREF(messages);
            return NULL;
        }
        PyList_SET_ITEM(messages, index, one);
    }
    return messages;
}
