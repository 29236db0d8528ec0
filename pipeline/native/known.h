/* Words that each mean a level. */

#ifndef DOCKLINE_KNOWN_H
#define DOCKLINE_KNOWN_H

#include "characters.h"

#define LONGEST 16
#define UNKNOWN 8

/* What a word may be, each of them and all that come before: a value, in brackets, by itself before
   a colon, by itself. */
enum { VALUE, BRACKETED, BEFORE_COLON, ALONE };

/* Known words, and for each size a bit for each letter that one of them begins with. */
typedef struct {
    PyObject *texts;
    const byte *severities, *uses;
    uint32_t firsts[LONGEST + 1];
} words;

/* Call it when the texts of `known` are set. */
void dockline_note_words(words *known);

/* The severity of a word that may be used so, in any case; UNKNOWN if it is none. */
byte dockline_severity_of(const words *known, const byte *text, Py_ssize_t size, byte use);

/* Whether a tuple has nothing but bytes. */
int dockline_are_texts(PyObject *texts);

#endif
