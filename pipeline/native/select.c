/* The entries of a batch that a stage keeps, of all its columns: what `Batch.select` does with
   `itertools.compress`. */

#include "native.h"

/* How many of them are True; -1 where one is neither that nor False. */
static Py_ssize_t
count_kept(PyObject *keep)
{
    Py_ssize_t kept = 0;
    for (Py_ssize_t index = 0; index < PyList_GET_SIZE(keep); index++) {
        PyObject *item = PyList_GET_ITEM(keep, index);
        if (item != Py_True && item != Py_False) {
            return -1;
        }
        kept += item == Py_True;
    }
    return kept;
}

static PyObject *
of_list(PyObject *column, PyObject *keep, Py_ssize_t kept)
{
    PyObject *some = PyList_New(kept);
    Py_ssize_t place = 0;
    for (Py_ssize_t index = 0; some != NULL && index < PyList_GET_SIZE(keep); index++) {
        if (PyList_GET_ITEM(keep, index) == Py_True) {
            PyList_SET_ITEM(some, place++, Py_NewRef(PyList_GET_ITEM(column, index)));
        }
    }
    return some;
}

static PyObject *
of_range(PyObject *column, PyObject *keep, Py_ssize_t kept)
{
    PyObject *some = PyList_New(kept);
    Py_ssize_t place = 0;
    for (Py_ssize_t index = 0; some != NULL && index < PyList_GET_SIZE(keep); index++) {
        if (PyList_GET_ITEM(keep, index) == Py_True) {
            PyObject *number = PySequence_GetItem(column, index);
            if (number == NULL) {
                Py_CLEAR(some);
                break;
            }
            PyList_SET_ITEM(some, place++, number);
        }
    }
    return some;
}

static PyObject *
of_bytes(PyObject *column, PyObject *keep, Py_ssize_t kept)
{
    PyObject *some = PyBytes_FromStringAndSize(NULL, kept);
    const char *from = PyBytes_AS_STRING(column);
    char *to = some != NULL ? PyBytes_AS_STRING(some) : NULL;
    for (Py_ssize_t index = 0; to != NULL && index < PyList_GET_SIZE(keep); index++) {
        if (PyList_GET_ITEM(keep, index) == Py_True) {
            *to++ = from[index];
        }
    }
    return some;
}

/* Those of one column; NULL without an exception where it is none, or of another length. */
static PyObject *
some_of(PyObject *column, PyObject *keep, Py_ssize_t kept)
{
    Py_ssize_t count = PyList_GET_SIZE(keep);
    if (column == Py_None) {
        return Py_NewRef(column);
    }
    if (PyList_Check(column)) {
        return PyList_GET_SIZE(column) == count ? of_list(column, keep, kept) : NULL;
    }
    if (PyBytes_CheckExact(column)) {
        return PyBytes_GET_SIZE(column) == count ? of_bytes(column, keep, kept) : NULL;
    }
    if (Py_IS_TYPE(column, &PyRange_Type)) {
        return PySequence_Size(column) == count ? of_range(column, keep, kept) : NULL;
    }
    return NULL;
}

PyObject *
dockline_select(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    PyObject *columns, *keep, *result;
    Py_ssize_t kept;

    if (!PyArg_ParseTuple(arguments, "O!O:select", &PyTuple_Type, &columns, &keep)) {
        return NULL;
    }
    if (!PyList_CheckExact(keep) || (kept = count_kept(keep)) < 0) {
        Py_RETURN_NONE;
    }
    if ((result = PyTuple_New(PyTuple_GET_SIZE(columns))) == NULL) {
        return NULL;
    }
    for (Py_ssize_t place = 0; place < PyTuple_GET_SIZE(columns); place++) {
        PyObject *some = some_of(PyTuple_GET_ITEM(columns, place), keep, kept);
        if (some == NULL) {
            Py_DECREF(result);
            PyErr_Clear(); /* no memory, or a range beyond all sizes: Python meets it as well */
            Py_RETURN_NONE;
        }
        PyTuple_SET_ITEM(result, place, some);
    }
    return result;
}
