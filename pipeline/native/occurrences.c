/* How often some bytes occur in many lines: what `bytes.count` does for each byte in all of them.

   The compiler makes the inner loop one of vector instructions: a counter of one byte for each of
   255 steps at the most. */

#include "native.h"

#define LANES 16
#define STEPS 255
#define MOST_WANTED 4

static Py_ssize_t
count(const byte *text, Py_ssize_t size, byte wanted)
{
    Py_ssize_t found = 0;
    while (size >= LANES) {
        byte counters[LANES] = {0};
        Py_ssize_t steps = size / LANES < STEPS ? size / LANES : STEPS;
        for (Py_ssize_t step = 0; step < steps; step++) {
            for (int lane = 0; lane < LANES; lane++) {
                counters[lane] += text[lane] == wanted;
            }
            text += LANES;
        }
        for (int lane = 0; lane < LANES; lane++) {
            found += counters[lane];
        }
        size -= steps * LANES;
    }
    for (Py_ssize_t index = 0; index < size; index++) {
        found += text[index] == wanted;
    }
    return found;
}

PyObject *
dockline_occurrences(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    PyObject *lines, *wanted;
    Py_ssize_t found = 0;

    if (!PyArg_ParseTuple(arguments, "O!S:occurrences", &PyList_Type, &lines, &wanted)) {
        return NULL;
    }
    if (PyBytes_GET_SIZE(wanted) > MOST_WANTED) {
        PyErr_SetString(PyExc_ValueError, "occurrences: at most four bytes");
        return NULL;
    }
    for (Py_ssize_t index = 0; index < PyList_GET_SIZE(lines); index++) {
        PyObject *line = PyList_GET_ITEM(lines, index);
        if (!PyBytes_CheckExact(line)) {
            PyErr_SetString(PyExc_TypeError, "occurrences: lines are bytes");
            return NULL;
        }
        for (Py_ssize_t which = 0; which < PyBytes_GET_SIZE(wanted); which++) {
            found += count((const byte *)PyBytes_AS_STRING(line), PyBytes_GET_SIZE(line),
                           (byte)PyBytes_AS_STRING(wanted)[which]);
        }
    }
    return PyLong_FromSsize_t(found);
}
