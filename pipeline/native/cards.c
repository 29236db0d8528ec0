/* Whether a text may have the number of a card: what `stages/_redaction_kinds` looks for with
   patterns, `_RUN` and those behind it.

   Such a number has at least 13 digits with single spaces or dashes between them. So every 13th
   byte is looked at, and what is beside it only where that is a digit, a space or a dash. */

#include "characters.h"

#define LEAST 13
#define MOST 19
#define MOST_DIGITS (64 << 10) /* a text with more has something replaced, cards or not */

static int
is_of_run(byte each)
{
    return is_digit(each) || each == ' ' || each == '-';
}

/* Whether Luhn's check digit is right. */
static int
is_checked(const byte *digits, Py_ssize_t count)
{
    int sum = 0;

    for (Py_ssize_t index = 0; index < count; index++) {
        int value = digits[count - 1 - index] - '0';
        sum += index % 2 == 0 ? value : value < 5 ? 2 * value : 2 * value - 9;
    }
    return sum % 10 == 0;
}

/* Whether one of the runs between `at` and `end`, where there are only digits, spaces and dashes,
   may have one. A run ends before two spaces or dashes. `without`: the length of those that have
   none. */
static int
runs_may(const byte *at, const byte *end, Py_ssize_t *without)
{
    while (at < end) {
        if (!is_digit(*at)) {
            at++;
            continue;
        }
        const byte *begin = at;
        Py_ssize_t digits = 0, since = 0; /* `since`: digits from the first that a card begins with */
        for (; at < end && (is_digit(*at) || (at + 1 < end && is_digit(at[1]))); at++) {
            if (is_digit(*at)) {
                digits++;
                since += since > 0 || (*at >= '2' && *at <= '6');
            }
        }
        if (digits < LEAST) {
            continue;
        }
        if (at - begin == digits) {
            if (digits > MOST || *begin < '2' || *begin > '6') {
                continue;
            }
            if (is_checked(begin, digits)) {
                return 1;
            }
        } else if (since >= LEAST) {
            return 1;
        }
        *without += at - begin;
        if (*without > MOST_DIGITS) {
            return 1;
        }
    }
    return 0;
}

PyObject *
dockline_cards(PyObject *Py_UNUSED(module), PyObject *text)
{
    if (!PyBytes_CheckExact(text)) {
        PyErr_SetString(PyExc_TypeError, "cards: a text is bytes");
        return NULL;
    }
    const byte *start = (const byte *)PyBytes_AS_STRING(text);
    const Py_ssize_t size = PyBytes_GET_SIZE(text);
    Py_ssize_t without = 0;

    /* All before `from` has been looked at. */
    for (Py_ssize_t from = 0, at = LEAST - 1; at < size; at = from + LEAST - 1) {
        if (!is_of_run(start[at])) {
            from = at + 1;
            continue;
        }
        Py_ssize_t begin = at, end = at + 1;
        while (begin > from && is_of_run(start[begin - 1])) {
            begin--;
        }
        while (end < size && is_of_run(start[end])) {
            end++;
        }
        if (end - begin >= LEAST && runs_may(start + begin, start + end, &without)) {
            Py_RETURN_TRUE;
        }
        from = end + 1;
    }
    Py_RETURN_FALSE;
}
