/* Columns of numbers. */

#include "numbers.h"

static long long
value_of(PyObject *number)
{
    int overflow;
    long long value;
    if (!PyLong_CheckExact(number)) {
        return -1;
    }
    value = PyLong_AsLongLongAndOverflow(number, &overflow);
    return overflow || value < 0 ? -1 : value;
}

static long long
attribute_of(PyObject *range, const char *name)
{
    PyObject *number = PyObject_GetAttrString(range, name);
    long long value = -1;
    if (number == NULL) {
        PyErr_Clear();
        return -1;
    }
    value = value_of(number);
    Py_DECREF(number);
    return value;
}

int
dockline_numbers(PyObject *object, Py_ssize_t count, Numbers *numbers)
{
    long long stop;
    numbers->list = NULL;
    numbers->count = count;
    if (PyList_CheckExact(object)) {
        numbers->list = object;
        return PyList_GET_SIZE(object) == count;
    }
    if (!Py_IS_TYPE(object, &PyRange_Type)) {
        return 0;
    }
    numbers->start = attribute_of(object, "start");
    numbers->step = attribute_of(object, "step");
    stop = attribute_of(object, "stop");
    return numbers->start >= 0 && numbers->step > 0 && stop > numbers->start
           && (stop - 1 - numbers->start) / numbers->step == count - 1;
}

long long
dockline_number(const Numbers *numbers, Py_ssize_t index)
{
    return numbers->list == NULL ? numbers->start + index * numbers->step
                                 : value_of(PyList_GET_ITEM(numbers->list, index));
}
