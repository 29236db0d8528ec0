/* The text of a row of a json-file: JSON's escapes to UTF-8. */

#include "utf8.h"

/* How many of eight bytes are plain text: printable ASCII but for quotes and backslashes. Bytes
   behind the first that is not may be judged wrongly, and are not counted. */
static int
plain(const byte *at)
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    uint64_t word, quote, backslash, odd;
    memcpy(&word, at, 8);
    quote = word ^ EACH_BYTE('"');
    backslash = word ^ EACH_BYTE('\\');
    odd = word | (word - EACH_BYTE(0x20)) | (quote - EACH_BYTE(1)) | (backslash - EACH_BYTE(1));
    odd &= EACH_BYTE(0x80);
    return odd == 0 ? 8 : __builtin_ctzll(odd) >> 3;
#else
    int count = 0;
    while (count < 8 && at[count] >= 0x20 && at[count] < 0x80 && at[count] != '"'
           && at[count] != '\\') {
        count++;
    }
    return count;
#endif
}

static int
hexadecimal(const byte *digits)
{
    int value = 0;
    for (int index = 0; index < 4; index++) {
        byte each = digits[index], lower = each | 0x20;
        if (each >= '0' && each <= '9') {
            value = value << 4 | (each - '0');
        }
        else if (lower >= 'a' && lower <= 'f') {
            value = value << 4 | (lower - 'a' + 10);
        }
        else {
            return -1;
        }
    }
    return value;
}

/* `\uXXXX`, or two of them that are one character, as UTF-8. 0 for what is none. */
static int
unescape_number(const byte **at, const byte *end, byte **to)
{
    byte *out = *to;
    int value = end - *at < 6 ? -1 : hexadecimal(*at + 2);
    if (value < 0 || value == '\n') {
        return 0;
    }
    *at += 6;
    if (value < 0x80) {
        *out++ = (byte)value;
    }
    else if (value < 0x800) {
        *out++ = (byte)(0xC0 | value >> 6);
        *out++ = (byte)(0x80 | (value & 0x3F));
    }
    else if (value < 0xD800 || value > 0xDFFF) {
        *out++ = (byte)(0xE0 | value >> 12);
        *out++ = (byte)(0x80 | (value >> 6 & 0x3F));
        *out++ = (byte)(0x80 | (value & 0x3F));
    }
    else {
        int low;
        if (value > 0xDBFF || end - *at < 6 || (*at)[0] != '\\' || (*at)[1] != 'u') {
            return 0;
        }
        low = hexadecimal(*at + 2);
        if (low < 0xDC00 || low > 0xDFFF) {
            return 0;
        }
        *at += 6;
        value = 0x10000 + ((value - 0xD800) << 10) + (low - 0xDC00);
        *out++ = (byte)(0xF0 | value >> 18);
        *out++ = (byte)(0x80 | (value >> 12 & 0x3F));
        *out++ = (byte)(0x80 | (value >> 6 & 0x3F));
        *out++ = (byte)(0x80 | (value & 0x3F));
    }
    *to = out;
    return 1;
}

/* What stands at a backslash, but for `\n`. */
static int
unescape(const byte **at, const byte *end, byte **to)
{
    byte meant;
    if (end - *at < 2) {
        return 0;
    }
    switch ((*at)[1]) {
    case '"': case '\\': case '/': meant = (*at)[1]; break;
    case 'b': meant = '\b'; break;
    case 'f': meant = '\f'; break;
    case 'r': meant = '\r'; break;
    case 't': meant = '\t'; break;
    case 'u': return unescape_number(at, end, to);
    default: return 0;
    }
    *at += 2;
    *(*to)++ = meant;
    return 1;
}

/* One character beyond ASCII, copied. */
static int
copy_character(const byte **at, const byte *end, byte **to)
{
    int size = size_of_character(*at, end);
    if (size < 0) {
        return 0;
    }
    memcpy(*to, *at, (size_t)size);
    *at += size;
    *to += size;
    return 1;
}

Py_ssize_t
dockline_decode_text(const byte **from, const byte *end, byte *out)
{
    const byte *at = *from;
    byte *to = out;
    for (;;) {
        while (end - at >= 8) {
            int count = plain(at);
            memcpy(to, at, 8);
            at += count;
            to += count;
            if (count < 8) {
                break;
            }
        }
        if (at == end) {
            return -1;
        }
        if (*at == '\\') {
            if (end - at >= 3 && at[1] == 'n') {
                if (at[2] != '"') {
                    return -1;
                }
                *from = at + 3;
                return to - out;
            }
            if (!unescape(&at, end, &to)) {
                return -1;
            }
        }
        else if (*at == '"' || *at < 0x20) {
            return -1;
        }
        else if (*at < 0x80) {
            *to++ = *at++;
        }
        else if (!copy_character(&at, end, &to)) {
            return -1;
        }
    }
}
