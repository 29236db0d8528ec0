/* Reads one line of an access log: what the patterns of `parsing/access` and `parsing/timing` do
   with the common and the combined format. What is longer than these, but for single times, and
   what is odd is left to them. */

#include "access.h"
#include "characters.h"

#define LONGEST_SIZE 18 /* digits of a size */
#define MOST_BEHIND 1024 /* bytes behind the format that are looked at */
#define SECONDS_DIGITS 9

static int
is(const Span *span, const char *text)
{
    size_t size = strlen(text);
    return (size_t)(span->to - span->from) == size && memcmp(span->from, text, size) == 0;
}

static void
forget_dash(Span *span)
{
    if (is(span, "-")) {
        span->from = NULL;
    }
}

static const byte *
find(const byte *at, const byte *end, int wanted)
{
    return at < end ? memchr(at, wanted, (size_t)(end - at)) : NULL;
}

/* A word and the space behind it; where the next one begins, or NULL. */
static const byte *
read_word(const byte *at, const byte *end, Span *span)
{
    span->from = at;
    while (at < end && !is_space(*at)) {
        at++;
    }
    span->to = at;
    return at > span->from && at < end && *at == ' ' ? at + 1 : NULL;
}

/* A text between quotation marks, which begins at `at`; what is behind the last mark, or NULL.
   A backslash takes the meaning of the character behind it. */
static const byte *
read_quoted(const byte *at, const byte *end, Span *span)
{
    if (at >= end || *at != '"') {
        return NULL;
    }
    span->from = ++at;
    const byte *mark = find(at, end, '"');
    if (mark == NULL) {
        return NULL;
    }
    if ((at = find(at, mark, '\\')) != NULL) {
        for (mark = at; mark < end && *mark != '"'; mark++) {
            if (*mark == '\\' && ++mark == end) {
                return NULL;
            }
        }
        if (mark == end) {
            return NULL;
        }
    }
    span->to = mark;
    return mark + 1;
}

int
dockline_month_of(const byte *time)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    for (int month = 0; month < 12; month++) {
        if (memcmp(names + 3 * month, time + 3, 3) == 0) {
            return month + 1;
        }
    }
    return 0;
}

/* A time in brackets and the space behind it. */
static const byte *
read_time(const byte *at, const byte *end, Span *span)
{
    static const char form[] = "[dd/mmm/dddd:dd:dd:dd sdddd] ";
    const Py_ssize_t size = sizeof(form) - 1;

    if (end - at < size) {
        return NULL;
    }
    for (Py_ssize_t index = 0; index < size; index++) {
        byte each = at[index];
        switch (form[index]) {
        case 'd':
            if (!is_digit(each)) {
                return NULL;
            }
            break;
        case 's':
            if (each != '+' && each != '-') {
                return NULL;
            }
            break;
        case 'm':
            break;
        default:
            if (each != (byte)form[index]) {
                return NULL;
            }
        }
    }
    span->from = at + 1;
    span->to = span->from + LOGGED_SIZE;
    return dockline_month_of(span->from) ? at + size : NULL;
}

/* Divides a request in two at its first and its last space, if it is one. */
static void
divide_request(Span spans[VALUES])
{
    Span *request = &spans[REQUEST];
    const byte *first = find(request->from, request->to, ' '), *last = request->to;

    if (first != NULL) {
        while (*--last != ' ') {
        }
        if (last > first + 1 && request->to - last > 5 && memcmp(last + 1, "HTTP/", 5) == 0) {
            spans[METHOD] = (Span){request->from, first};
            spans[PATH] = (Span){first + 1, last};
            spans[PROTOCOL] = (Span){last + 1, request->to};
            request->from = NULL;
            return;
        }
    }
    if (request->from == request->to) {
        request->from = NULL;
        return;
    }
    forget_dash(request);
}

/* Digits, `least` to `most` of them, or a dash; what is behind, or NULL. */
static const byte *
read_number(const byte *at, const byte *end, int least, int most, Span *span)
{
    span->from = at;
    if (at < end && *at == '-') {
        at++;
    } else {
        while (at < end && is_digit(*at) && at - span->from < most) {
            at++;
        }
        if (at - span->from < least) {
            return NULL;
        }
    }
    span->to = at;
    forget_dash(span);
    return at;
}

/* Seconds with three decimals: what is behind them, or NULL. */
static const byte *
read_seconds(const byte *at, const byte *end)
{
    const byte *from = at;
    while (at < end && is_digit(*at) && at - from < SECONDS_DIGITS) {
        at++;
    }
    if (at == from || end - at < 4 || at[0] != '.' || !is_digit(at[1]) || !is_digit(at[2])
        || !is_digit(at[3])) {
        return NULL;
    }
    return at + 4;
}

/* A name of a time and the `=` behind it; what is behind that, or NULL. */
static const byte *
read_name(const byte *at, const byte *end, int *value)
{
    static const struct {
        const char *name;
        int value;
    } names[] = {
        {"rt=", REQUEST_TIME},
        {"uct=", UPSTREAM_CONNECT_TIME},
        {"uht=", UPSTREAM_HEADER_TIME},
        {"urt=", UPSTREAM_RESPONSE_TIME},
        {"ut=", UPSTREAM_RESPONSE_TIME},
        {"request_time=", REQUEST_TIME},
        {"upstream_connect_time=", UPSTREAM_CONNECT_TIME},
        {"upstream_header_time=", UPSTREAM_HEADER_TIME},
        {"upstream_response_time=", UPSTREAM_RESPONSE_TIME},
    };
    for (size_t index = 0; index < sizeof(names) / sizeof(*names); index++) {
        const size_t size = strlen(names[index].name);
        if ((size_t)(end - at) > size && memcmp(at, names[index].name, size) == 0) {
            *value = names[index].value;
            return at + size;
        }
    }
    return NULL;
}

/* Single times up to the end, with names or in the usual order, quoted or not. */
static int
read_times(const byte *at, const byte *end, Span spans[VALUES])
{
    static const int in_order[] = {REQUEST_TIME, UPSTREAM_RESPONSE_TIME};

    if (end - at > MOST_BEHIND) {
        return 0;
    }
    for (int number = 0;; number++) {
        const byte *before = at;
        while (at < end && is_space(*at)) {
            at++;
        }
        if (at == end) {
            return 1;
        }
        if (at == before) {
            return 0;
        }
        int value = number < 2 ? in_order[number] : VALUES;
        if (!is_digit(*at) && *at != '-' && *at != '"'
            && (at = read_name(at, end, &value)) == NULL) {
            return 0;
        }
        int is_quoted = *at == '"';
        at += is_quoted;
        Span time = {at, at};
        if (at < end && *at == '-') {
            time.from = NULL;
            at++;
        } else if ((at = read_seconds(at, end)) == NULL) {
            return 0;
        }
        time.to = at;
        if (is_quoted && (at == end || *at++ != '"')) {
            return 0;
        }
        if (value != VALUES && spans[value].from == NULL) {
            spans[value] = time;
        }
    }
}

static int
is_quote_next(const byte *at, const byte *end)
{
    return end - at >= 2 && at[0] == ' ' && at[1] == '"';
}

/* Referer and agent, and as in nginx's `main` for whom the request was forwarded; what is behind
   them, or NULL. */
static const byte *
read_combined(const byte *at, const byte *end, Span spans[VALUES])
{
    Span *forwarded = &spans[FORWARDED_FOR];

    if ((at = read_quoted(at + 1, end, &spans[REFERER])) == NULL || !is_quote_next(at, end)
        || (at = read_quoted(at + 1, end, &spans[AGENT])) == NULL) {
        return NULL;
    }
    forget_dash(&spans[REFERER]);
    forget_dash(&spans[AGENT]);
    if (is_quote_next(at, end)) {
        if ((at = read_quoted(at + 1, end, forwarded)) == NULL
            || read_seconds(forwarded->from, forwarded->to) == forwarded->to) {
            return NULL;
        }
        forget_dash(forwarded);
    }
    return at;
}

int
dockline_read_access(const byte *at, const byte *end, Span spans[VALUES])
{
    const byte *bracket;

    for (int value = 0; value < VALUES; value++) {
        spans[value].from = NULL;
    }
    if ((at = read_word(at, end, &spans[CLIENT])) == NULL
        || (at = read_word(at, end, &spans[IDENTITY])) == NULL
        || (bracket = find(at, end, '[')) == NULL || bracket == at || bracket[-1] != ' ') {
        return 0;
    }
    spans[USER] = (Span){at, bracket - 1};
    if ((at = read_time(bracket, end, &spans[TIMESTAMP])) == NULL
        || (at = read_quoted(at, end, &spans[REQUEST])) == NULL || at == end || *at++ != ' '
        || (at = read_number(at, end, 3, 3, &spans[STATUS])) == NULL || at == end || *at++ != ' '
        || (at = read_number(at, end, 1, LONGEST_SIZE, &spans[SIZE])) == NULL) {
        return 0;
    }
    forget_dash(&spans[IDENTITY]);
    forget_dash(&spans[USER]);
    divide_request(spans);
    if (is_quote_next(at, end) && (at = read_combined(at, end, spans)) == NULL) {
        return 0;
    }
    return read_times(at, end, spans);
}
