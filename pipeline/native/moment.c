/* Times to seconds and nanoseconds. Most are of the second of the one before. */

#include "moment.h"

/* The number of so many digits, or -1. */
static int
digits(const byte *at, int count)
{
    int value = 0;
    for (int index = 0; index < count; index++) {
        if (at[index] < '0' || at[index] > '9') {
            return -1;
        }
        value = value * 10 + (at[index] - '0');
    }
    return value;
}

static int
days_of(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int leap = month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + leap;
}

/* Days from the epoch to a date of the years 1 to 9999. */
static int64_t
days_to(int year, int month, int day)
{
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    int64_t past = year - 1;
    int leap = month > 2 && days_of(year, 2) == 29;
    return past * 365 + past / 4 - past / 100 + past / 400 + before[month - 1] + leap + day - 1
           - 719162;
}

static int
read_second(const byte *at, int64_t *seconds)
{
    int year = digits(at, 4), month = digits(at + 5, 2), day = digits(at + 8, 2);
    int hour = digits(at + 11, 2), minute = digits(at + 14, 2), second = digits(at + 17, 2);
    if (at[4] != '-' || at[7] != '-' || at[10] != 'T' || at[13] != ':' || at[16] != ':'
        || year < 1 || month < 1 || month > 12 || day < 1 || day > days_of(year, month) || hour < 0
        || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59) {
        return 0;
    }
    *seconds = ((days_to(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
    return 1;
}

int
dockline_read_moment(const byte *time, Py_ssize_t size, Moment *moment)
{
    int nanoseconds;
    if (size != TIME_SIZE || time[SECOND_SIZE] != '.' || time[TIME_SIZE - 1] != 'Z'
        || (nanoseconds = digits(time + SECOND_SIZE + 1, 9)) < 0) {
        return 0;
    }
    if (moment->known[0] == 0 || memcmp(time, moment->known, SECOND_SIZE) != 0) {
        if (!read_second(time, &moment->seconds)) {
            return 0;
        }
        memcpy(moment->known, time, SECOND_SIZE);
    }
    moment->nanoseconds = (uint32_t)nanoseconds;
    return 1;
}
