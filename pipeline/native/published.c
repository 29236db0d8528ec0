/* Lines as messages that are published to NATS, each under an identity of its own:

   HPUB subject reply7 60 80␍␊
   NATS/1.0␍␊Nats-Msg-Id: …:2026-01-31T23:59:59.123456789Z:7.0:0badc0de␍␊␍␊
   the line␍␊ */

#include "crc.h"
#include "numbers.h"
#include "put.h"

#define CRC_DIGITS 8
#define HPUB "HPUB "
#define CRLF "\r\n"
#define AROUND 128 /* bytes of a message beside subject, head, time and line, at the most */

typedef struct {
    PyObject *subject, *head, *times, *parts, *data, *ends; /* no parts: None */
    Numbers numbers;
    long long token; /* of the first message */
    Py_ssize_t start, stop;
} Messages;

static byte *
put_crc(byte *to, uint32_t crc)
{
    for (int place = CRC_DIGITS - 1; place >= 0; place--) {
        *to++ = (byte)"0123456789abcdef"[crc >> 4 * place & 0xF];
    }
    return to;
}

static Py_ssize_t
end_of(PyObject *ends, Py_ssize_t index)
{
    PyObject *end = PyList_GET_ITEM(ends, index);
    Py_ssize_t value = PyLong_CheckExact(end) ? PyLong_AsSsize_t(end) : -1;
    if (value < 0) {
        PyErr_Clear();
    }
    return value;
}

/* Whether all fits together, and how many bytes the messages are at the most. */
static int
measure(const Messages *all, Py_ssize_t *most)
{
    Py_ssize_t count = all->stop - all->start, size = PyBytes_GET_SIZE(all->data), end = 0;
    Py_ssize_t each = AROUND;
    *most = 0;
    if (!add(&each, PyBytes_GET_SIZE(all->subject)) || !add(&each, PyBytes_GET_SIZE(all->head))
        || each > PY_SSIZE_T_MAX / 4 / count || all->token < 0
        || all->token > INT64_MAX - count) {
        return 0;
    }
    *most = each * count;
    if (all->start > 0 && (end = end_of(all->ends, all->start - 1)) < 0) {
        return 0;
    }
    for (Py_ssize_t index = all->start; index < all->stop; index++) {
        Py_ssize_t before = end;
        PyObject *time = PyList_GET_ITEM(all->times, index);
        end = end_of(all->ends, index);
        if (end <= before || end > size || !PyBytes_CheckExact(time)
            || !add(most, PyBytes_GET_SIZE(time)) || !add(most, end - before)) {
            return 0;
        }
    }
    return 1;
}

/* The rest of the identity, and the end of the headers. */
static byte *
put_identity(byte *to, const Messages *all, Py_ssize_t index, const byte *line, Py_ssize_t size,
             long long number)
{
    int part = all->parts == Py_None ? 0 : (byte)PyBytes_AS_STRING(all->parts)[index];
    to = put_bytes(to, PyList_GET_ITEM(all->times, index));
    *to++ = ':';
    to = put_digits(to, (uint64_t)number);
    *to++ = '.';
    to = put_digits(to, (uint64_t)part);
    *to++ = ':';
    to = put_crc(to, dockline_crc(line, size));
    return put(to, CRLF CRLF, 4);
}

/* Behind the messages; NULL where a number is none. */
static byte *
write_all(byte *to, const Messages *all)
{
    Py_ssize_t at = all->start > 0 ? end_of(all->ends, all->start - 1) : 0;
    for (Py_ssize_t index = all->start; index < all->stop; index++) {
        Py_ssize_t end = end_of(all->ends, index), size = end - 1 - at, headers;
        const byte *line = (const byte *)PyBytes_AS_STRING(all->data) + at;
        long long number = dockline_number(&all->numbers, index);
        int part = all->parts == Py_None ? 0 : (byte)PyBytes_AS_STRING(all->parts)[index];
        if (number < 0) {
            return NULL;
        }
        headers = PyBytes_GET_SIZE(all->head) + PyBytes_GET_SIZE(PyList_GET_ITEM(all->times, index))
                  + digits_of((uint64_t)number) + digits_of((uint64_t)part) + 3 + CRC_DIGITS + 4;
        to = put(to, HPUB, sizeof HPUB - 1);
        to = put_bytes(to, all->subject);
        to = put_digits(to, (uint64_t)(all->token + (index - all->start)));
        *to++ = ' ';
        to = put_digits(to, (uint64_t)headers);
        *to++ = ' ';
        to = put_digits(to, (uint64_t)(headers + size));
        to = put(to, CRLF, 2);
        to = put_bytes(to, all->head);
        to = put_identity(to, all, index, line, size, number);
        to = put(to, line, size);
        to = put(to, CRLF, 2);
        at = end;
    }
    return to;
}

static int
fits(Messages *all, PyObject *numbers)
{
    Py_ssize_t count = PyList_GET_SIZE(all->times);
    return PyList_GET_SIZE(all->ends) == count && dockline_numbers(numbers, count, &all->numbers)
           && (all->parts == Py_None
               || (PyBytes_CheckExact(all->parts) && PyBytes_GET_SIZE(all->parts) == count))
           && all->start >= 0 && all->start < all->stop && all->stop <= count;
}

PyObject *
dockline_published(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    Messages all;
    PyObject *numbers, *written;
    Py_ssize_t most;
    byte *end;

    if (!PyArg_ParseTuple(arguments, "SLSO!OOSO!nn:published", &all.subject, &all.token, &all.head,
                          &PyList_Type, &all.times, &numbers, &all.parts, &all.data, &PyList_Type,
                          &all.ends, &all.start, &all.stop)) {
        return NULL;
    }
    if (!fits(&all, numbers) || !measure(&all, &most)) {
        Py_RETURN_NONE;
    }
    if ((written = PyBytes_FromStringAndSize(NULL, most)) == NULL) {
        return NULL;
    }
    if ((end = write_all((byte *)PyBytes_AS_STRING(written), &all)) == NULL) {
        Py_DECREF(written);
        Py_RETURN_NONE;
    }
    _PyBytes_Resize(&written, end - (byte *)PyBytes_AS_STRING(written));
    return written;
}
