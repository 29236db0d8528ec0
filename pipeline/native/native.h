/* What the files of the extension share. Each holds one loop; `module.c` names them to Python.

   All of them keep to this: they are given bytes that anybody may have written, read nothing beyond
   what they were given, and answer None where these are not of the common shape. Whoever called
   then asks the loop in Python, which knows every shape. Nothing here calls back into Python
   code, so no list or buffer changes while it is looked at. */

#ifndef DOCKLINE_NATIVE_H
#define DOCKLINE_NATIVE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdint.h>
#include <string.h>

#ifdef Py_LIMITED_API
#include "limited.h"
#endif

typedef unsigned char byte;

PyObject *dockline_rows(PyObject *module, PyObject *arguments);
PyObject *dockline_frames(PyObject *module, PyObject *arguments);
PyObject *dockline_syslog(PyObject *module, PyObject *arguments);
PyObject *dockline_interleave(PyObject *module, PyObject *arguments);
PyObject *dockline_otlp(PyObject *module, PyObject *arguments);
PyObject *dockline_loki(PyObject *module, PyObject *arguments);
PyObject *dockline_forward(PyObject *module, PyObject *arguments);
PyObject *dockline_select(PyObject *module, PyObject *arguments);
PyObject *dockline_total(PyObject *module, PyObject *items);
PyObject *dockline_newest(PyObject *module, PyObject *times);
PyObject *dockline_epochs(PyObject *module, PyObject *arguments);
PyObject *dockline_packed(PyObject *module, PyObject *arguments);
PyObject *dockline_counted(PyObject *module, PyObject *arguments);
PyObject *dockline_datagrams(PyObject *module, PyObject *arguments);
PyObject *dockline_longest(PyObject *module, PyObject *run);
PyObject *dockline_single(PyObject *module, PyObject *lines);
PyObject *dockline_ends(PyObject *module, PyObject *arguments);
PyObject *dockline_published(PyObject *module, PyObject *arguments);
PyObject *dockline_acknowledged(PyObject *module, PyObject *arguments);
PyObject *dockline_occurrences(PyObject *module, PyObject *arguments);
PyObject *dockline_mentions(PyObject *module, PyObject *arguments);
PyObject *dockline_cards(PyObject *module, PyObject *text);
PyObject *dockline_openings(PyObject *module, PyObject *arguments);
PyObject *dockline_groups(PyObject *module, PyObject *arguments);
PyObject *dockline_levels(PyObject *module, PyObject *arguments);
PyObject *dockline_access(PyObject *module, PyObject *arguments);

/* The text of a row up to its newline, and `*from` behind its quote; its length, or -1 where it is
   not of the common shape. `out` has room for as many bytes as there are before `end`: no escape is
   shorter than what it means. */
Py_ssize_t dockline_decode_text(const byte **from, const byte *end, byte *out);

/* A tuple of columns, all of which are given up in any case. NULL, with an exception set, where
   one of them is NULL already, or there is no memory. */
PyObject *dockline_pack(PyObject *lines, PyObject *times, PyObject *streams, PyObject *end);

/* Whether `column` is a list of so many bytes. */
int dockline_are_bytes(PyObject *column, Py_ssize_t count);

/* Whether each of the rows is an index into a tuple, which has nothing but bytes. */
int dockline_are_choices(const byte *rows, Py_ssize_t count, PyObject *choices);

#endif
