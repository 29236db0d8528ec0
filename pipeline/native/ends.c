/* Where the lines of a run of bytes end. */

#include "native.h"

/* 0, perhaps with an exception set, where there are fewer or more lines. */
static int
fill(PyObject *ends, Py_ssize_t count, const char *at, Py_ssize_t size)
{
    Py_ssize_t end = 0;
    for (Py_ssize_t index = 0; index < count; index++) {
        const char *found = end < size ? memchr(at + end, '\n', (size_t)(size - end)) : NULL;
        PyObject *number;
        if (found == NULL) {
            return 0;
        }
        end = found - at + 1;
        if ((number = PyLong_FromSsize_t(end)) == NULL) {
            return 0;
        }
        PyList_SET_ITEM(ends, index, number);
    }
    return end == size;
}

PyObject *
dockline_ends(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    const char *data;
    Py_ssize_t size, count;
    PyObject *ends;

    if (!PyArg_ParseTuple(arguments, "y#n:ends", &data, &size, &count)) {
        return NULL;
    }
    if (count < 0 || count > size) {
        Py_RETURN_NONE;
    }
    if ((ends = PyList_New(count)) == NULL) {
        return NULL;
    }
    if (fill(ends, count, data, size)) {
        return ends;
    }
    Py_DECREF(ends);
    if (PyErr_Occurred()) {
        return NULL;
    }
    Py_RETURN_NONE;
}
