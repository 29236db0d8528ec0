/* What the first bytes of each line say about it: 0 for a line that begins with none of some bytes,
   2 for one that begins with a certain text, and 1 for any other. */

#include "characters.h"

#define BYTES 256

static char
opening_of(const byte *line, Py_ssize_t size, const byte *table, const byte *text, Py_ssize_t length)
{
    if (length > 0 && size > length && memcmp(line, text, (size_t)length) == 0
        && !is_space(line[length])) {
        return 2;
    }
    return size == 0 || table[line[0]] != 0;
}

PyObject *
dockline_openings(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    PyObject *lines, *table, *text, *openings;

    if (!PyArg_ParseTuple(arguments, "O!SS:openings", &PyList_Type, &lines, &table, &text)) {
        return NULL;
    }
    if (PyBytes_GET_SIZE(table) != BYTES) {
        PyErr_SetString(PyExc_ValueError, "openings: a table has 256 bytes");
        return NULL;
    }
    if ((openings = PyBytes_FromStringAndSize(NULL, PyList_GET_SIZE(lines))) == NULL) {
        return NULL;
    }
    for (Py_ssize_t index = 0; index < PyList_GET_SIZE(lines); index++) {
        PyObject *line = PyList_GET_ITEM(lines, index);
        if (!PyBytes_CheckExact(line)) {
            Py_DECREF(openings);
            PyErr_SetString(PyExc_TypeError, "openings: lines are bytes");
            return NULL;
        }
        PyBytes_AS_STRING(openings)[index] = opening_of(
            (const byte *)PyBytes_AS_STRING(line), PyBytes_GET_SIZE(line),
            (const byte *)PyBytes_AS_STRING(table), (const byte *)PyBytes_AS_STRING(text),
            PyBytes_GET_SIZE(text)
        );
    }
    return openings;
}
