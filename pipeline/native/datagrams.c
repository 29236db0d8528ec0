/* Datagrams of one socket, sent in a run.

   `sendmmsg` would take them in one system call, and costs a tenth less. But where the peer's host
   has refused an earlier datagram, it says how many it took before, and the refusal is gone. */

#include "native.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/types.h>

/* How many of the datagrams the kernel has taken, and 0, or why it did not take the next one. */
static Py_ssize_t
send_run(int fd, PyObject *datagrams, int *problem)
{
    Py_ssize_t count = PyList_GET_SIZE(datagrams), sent = 0;
    *problem = 0;
    while (sent < count) {
        PyObject *datagram = PyList_GET_ITEM(datagrams, sent);
        if (send(fd, PyBytes_AS_STRING(datagram), (size_t)PyBytes_GET_SIZE(datagram),
                 MSG_DONTWAIT)
            >= 0) {
            sent++;
        }
        else if (errno != EINTR) {
            *problem = errno;
            break;
        }
    }
    return sent;
}

PyObject *
dockline_datagrams(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    PyObject *given, *datagrams;
    Py_ssize_t start, stop, sent;
    int fd, problem;

    if (!PyArg_ParseTuple(arguments, "iO!nn:datagrams", &fd, &PyList_Type, &given, &start,
                          &stop)) {
        return NULL;
    }
    if (start < 0 || stop < start || stop > PyList_GET_SIZE(given)) {
        Py_RETURN_NONE;
    }
    /* A list of its own: others may run while the kernel is at work. */
    if ((datagrams = PyList_GetSlice(given, start, stop)) == NULL) {
        return NULL;
    }
    for (Py_ssize_t index = 0; index < stop - start; index++) {
        if (!PyBytes_CheckExact(PyList_GET_ITEM(datagrams, index))) {
            Py_DECREF(datagrams);
            Py_RETURN_NONE;
        }
    }
    Py_BEGIN_ALLOW_THREADS
    sent = send_run(fd, datagrams, &problem);
    Py_END_ALLOW_THREADS
    Py_DECREF(datagrams);
    return Py_BuildValue("ni", start + sent, problem);
}
