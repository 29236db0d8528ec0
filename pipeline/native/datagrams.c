/* Datagrams of one socket, sent in a run.

   `sendmmsg` would take them in one system call, and costs a tenth less. But where the peer's host
   has refused an earlier datagram, it says how many it took before, and the refusal is gone. */

#include "native.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/types.h>
#ifdef __linux__
#include <sys/syscall.h>
#include <unistd.h>
#endif

/* `send` of the C library is a point where threads may be cancelled, which costs 40 ns a datagram. */
#if defined(__linux__) && defined(SYS_sendto)
#define SEND(fd, data, size) syscall(SYS_sendto, fd, data, size, MSG_DONTWAIT, NULL, 0)
#else
#define SEND(fd, data, size) send(fd, data, size, MSG_DONTWAIT)
#endif

/* 0, or why the kernel has not taken it. */
static int
send_one(int fd, const void *data, size_t size)
{
    while (SEND(fd, data, size) < 0) {
        if (errno != EINTR) {
            return errno;
        }
    }
    return 0;
}

typedef struct {
    Py_ssize_t at;   /* where the next datagram is */
    Py_ssize_t sent; /* how many the kernel has taken */
    int problem;     /* 0, or why it has not taken the next one */
} Progress;

static void
send_list(int fd, PyObject *datagrams, Progress *progress)
{
    Py_ssize_t count = PyList_GET_SIZE(datagrams);
    while (progress->sent < count) {
        PyObject *datagram = PyList_GET_ITEM(datagrams, progress->sent);
        progress->problem = send_one(fd, PyBytes_AS_STRING(datagram),
                                     (size_t)PyBytes_GET_SIZE(datagram));
        if (progress->problem) {
            return;
        }
        progress->sent++;
        progress->at++;
    }
}

/* At most so many of those that each end with the last of `size` bytes. */
static void
send_ended(int fd, const char *data, Py_ssize_t size, Py_ssize_t most, Progress *progress)
{
    while (progress->sent < most && progress->at < size) {
        const char *from = data + progress->at;
        const char *stop = memchr(from, data[size - 1], (size_t)(size - progress->at));
        progress->problem = send_one(fd, from, (size_t)(stop - from));
        if (progress->problem) {
            return;
        }
        progress->sent++;
        progress->at = stop + 1 - data;
    }
}

PyObject *
dockline_datagrams(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    PyObject *run, *datagrams = NULL;
    Py_ssize_t start, most, left;
    Progress progress = {0, 0, 0};
    int fd;

    if (!PyArg_ParseTuple(arguments, "iOnn:datagrams", &fd, &run, &start, &most)) {
        return NULL;
    }
    if (!PyBytes_CheckExact(run) && !PyList_CheckExact(run)) {
        Py_RETURN_NONE;
    }
    left = (PyList_CheckExact(run) ? PyList_GET_SIZE(run) : PyBytes_GET_SIZE(run)) - start;
    if (start < 0 || left < 0 || most < 0) {
        Py_RETURN_NONE;
    }
    progress.at = start;
    if (PyList_CheckExact(run)) {
        most = most < left ? most : left;
        /* A list of its own: others may run while the kernel is at work. */
        if ((datagrams = PyList_GetSlice(run, start, start + most)) == NULL) {
            return NULL;
        }
        if (!dockline_are_bytes(datagrams, most)) {
            Py_DECREF(datagrams);
            Py_RETURN_NONE;
        }
    }
    Py_BEGIN_ALLOW_THREADS
    if (datagrams != NULL) {
        send_list(fd, datagrams, &progress);
    }
    else {
        send_ended(fd, PyBytes_AS_STRING(run), PyBytes_GET_SIZE(run), most, &progress);
    }
    Py_END_ALLOW_THREADS
    Py_XDECREF(datagrams);
    return Py_BuildValue("nni", progress.at, progress.sent, progress.problem);
}

PyObject *
dockline_longest(PyObject *Py_UNUSED(module), PyObject *run)
{
    const char *at, *end;
    Py_ssize_t longest = 0;

    if (!PyBytes_CheckExact(run)) {
        PyErr_SetString(PyExc_TypeError, "bytes are asked for");
        return NULL;
    }
    at = PyBytes_AS_STRING(run);
    end = at + PyBytes_GET_SIZE(run);
    while (at < end) {
        const char *stop = memchr(at, end[-1], (size_t)(end - at));
        longest = stop - at > longest ? stop - at : longest;
        at = stop + 1;
    }
    return PyLong_FromSsize_t(longest);
}
