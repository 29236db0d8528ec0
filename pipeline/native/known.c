/* Looks up a word that may mean a level. */

#include "known.h"

void
dockline_note_words(words *known)
{
    memset(known->firsts, 0, sizeof known->firsts);
    for (Py_ssize_t which = 0; which < PyTuple_GET_SIZE(known->texts); which++) {
        PyObject *word = PyTuple_GET_ITEM(known->texts, which);
        Py_ssize_t size = PyBytes_GET_SIZE(word);
        if (size > 0 && size <= LONGEST) {
            known->firsts[size] |= (uint32_t)1 << (PyBytes_AS_STRING(word)[0] & 31);
        }
    }
}

byte
dockline_severity_of(const words *known, const byte *text, Py_ssize_t size, byte use)
{
    byte small[LONGEST];
    if (size < 1 || size > LONGEST || (known->firsts[size] >> (*text & 31) & 1) == 0) {
        return UNKNOWN;
    }
    for (Py_ssize_t index = 0; index < size; index++) {
        small[index] = is_capital(text[index]) ? text[index] | 0x20 : text[index];
    }
    for (Py_ssize_t which = 0; which < PyTuple_GET_SIZE(known->texts); which++) {
        PyObject *word = PyTuple_GET_ITEM(known->texts, which);
        if (PyBytes_GET_SIZE(word) == size && known->uses[which] >= use
            && memcmp(PyBytes_AS_STRING(word), small, (size_t)size) == 0) {
            return known->severities[which];
        }
    }
    return UNKNOWN;
}

int
dockline_are_texts(PyObject *texts)
{
    for (Py_ssize_t index = 0; index < PyTuple_GET_SIZE(texts); index++) {
        if (!PyBytes_CheckExact(PyTuple_GET_ITEM(texts, index))) {
            return 0;
        }
    }
    return 1;
}
