/* Text as the inside of a JSON string, as `quoted` of `pipeline.encode.json` writes it. */

#ifndef DOCKLINE_QUOTE_H
#define DOCKLINE_QUOTE_H

#include "native.h"

/* How many bytes it becomes; at most six for each of `size`. */
Py_ssize_t dockline_quoted_size(const byte *text, Py_ssize_t size);

/* Writes exactly these, and returns what is behind them. */
byte *dockline_put_quoted(byte *to, const byte *text, Py_ssize_t size);

#endif
