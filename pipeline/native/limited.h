/* What the limited API has no macros for, by its functions: for one extension that any Python from
   3.11 on can load. Each caller has checked the type before, as the macros want it. `_PyBytes_Resize` is only given smaller sizes. */

#ifndef DOCKLINE_LIMITED_H
#define DOCKLINE_LIMITED_H

#define PyBytes_GET_SIZE PyBytes_Size
#define PyBytes_AS_STRING PyBytes_AsString
#define PyByteArray_AS_STRING PyByteArray_AsString
#define PyList_GET_SIZE PyList_Size
#define PyList_GET_ITEM PyList_GetItem
#define PyList_SET_ITEM PyList_SetItem
#define PyTuple_GET_SIZE PyTuple_Size
#define PyTuple_GET_ITEM PyTuple_GetItem
#define PyTuple_SET_ITEM PyTuple_SetItem

/* The block again, where it has another size. */
static inline int _PyBytes_Resize(PyObject **bytes, Py_ssize_t size) {
    PyObject *whole = *bytes;
    if (PyBytes_Size(whole) == size) {
        return 0;
    }
    *bytes = PyBytes_FromStringAndSize(PyBytes_AsString(whole), size);
    Py_DECREF(whole);
    return *bytes == NULL ? -1 : 0;
}

#endif
