/* Whether any of some words occurs in a text, with ASCII letters in either case: what
   `mentions` does with `bytes.lower` and `in`.

   The compiler makes the inner loop one of vector instructions: first and last byte of a word are
   compared at 64 places at once. */

#include "native.h"

#define PLACES 64

static byte
in_lower_case(byte each)
{
    return each >= 'A' && each <= 'Z' ? each | 0x20 : each;
}

/* The bit in which a letter's two cases differ; 0 for any other byte. */
static byte
case_of(byte each)
{
    return each >= 'a' && each <= 'z' ? 0x20 : 0;
}

static int
stands_at(const byte *text, const byte *word, Py_ssize_t size)
{
    for (Py_ssize_t index = 0; index < size; index++) {
        if (in_lower_case(text[index]) != word[index]) {
            return 0;
        }
    }
    return 1;
}

static int
occurs(const byte *text, Py_ssize_t size, const byte *word, Py_ssize_t length)
{
    if (length == 0) {
        return 1;
    }
    const Py_ssize_t places = size - length + 1;
    const byte first = word[0], last = word[length - 1];
    const byte case_of_first = case_of(first), case_of_last = case_of(last);

    if (places < PLACES) {
        for (Py_ssize_t at = 0; at < places; at++) {
            if (stands_at(text + at, word, length)) {
                return 1;
            }
        }
        return 0;
    }
    for (Py_ssize_t from = 0; from < places; from += PLACES) {
        /* The last ones together, some of them again. */
        const Py_ssize_t at = from + PLACES <= places ? from : places - PLACES;
        const byte *begin = text + at, *end = begin + length - 1;
        byte found = 0;
        for (int index = 0; index < PLACES; index++) {
            found |= ((begin[index] | case_of_first) == first) & ((end[index] | case_of_last) == last);
        }
        for (int index = 0; found && index < PLACES; index++) {
            if (stands_at(begin + index, word, length)) {
                return 1;
            }
        }
    }
    return 0;
}

PyObject *
dockline_mentions(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    PyObject *text, *words;

    if (!PyArg_ParseTuple(arguments, "SO!:mentions", &text, &PyTuple_Type, &words)) {
        return NULL;
    }
    for (Py_ssize_t index = 0; index < PyTuple_GET_SIZE(words); index++) {
        PyObject *word = PyTuple_GET_ITEM(words, index);
        if (!PyBytes_CheckExact(word)) {
            PyErr_SetString(PyExc_TypeError, "mentions: words are bytes");
            return NULL;
        }
        if (occurs(
                (const byte *)PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text),
                (const byte *)PyBytes_AS_STRING(word), PyBytes_GET_SIZE(word)
            )) {
            Py_RETURN_TRUE;
        }
    }
    Py_RETURN_FALSE;
}
