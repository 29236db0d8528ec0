/* What a byte is among the characters of ASCII. */

#ifndef DOCKLINE_CHARACTERS_H
#define DOCKLINE_CHARACTERS_H

#include "native.h"

static inline int
is_digit(byte each)
{
    return each >= '0' && each <= '9';
}

static inline int
is_capital(byte each)
{
    return each >= 'A' && each <= 'Z';
}

static inline int
is_letter(byte each)
{
    return is_capital(each & 0xdf) && each < 0x80;
}

static inline int
is_word(byte each)
{
    return is_letter(each) || is_digit(each) || each == '_';
}

static inline int
is_space(byte each)
{
    return each == ' ' || (each >= '\t' && each <= '\r');
}

#endif
