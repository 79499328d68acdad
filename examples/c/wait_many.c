/*
 * Waits for all processes named, whoever's children they are, and says how each ended, in the order
 * in which they end. Exits with 0 if all of them ended well.
 *
 *   cc wait_many.c $(pkg-config --cflags --libs exithand) -o wait_many
 *   ./wait_many 4242 4243 4244
 */
#include <errno.h>
#include <exithand.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failed(const char *what, int error)
{
    fprintf(stderr, "wait_many: %s: %s\n", what, strerror(-error));
    return 125;
}

int main(int argc, char **argv)
{
    struct exithand_exit how;
    char token[EXITHAND_TOKEN_SIZE], text[EXITHAND_TEXT_SIZE], *end;
    int set = exithand_set_open(), left = 0, bad = 0, result, handle, at;
    if (set < 0)
        return failed("cannot make a set", set);
    /* All are held before the first is waited for: no pid can be given to another one meanwhile. */
    for (at = 1; at < argc; at++, left++) {
        long pid = strtol(argv[at], &end, 10);
        /* Neither "12x" nor what would be cut to another number. */
        handle = *end != '\0' || pid < 1 || pid > INT_MAX ? -EINVAL : exithand_open((pid_t)pid);
        if (handle < 0)
            return failed(argv[at], handle);
        result = exithand_set_add(set, handle, EXITHAND_UNTIL_ENDED);
        if (result < 0)
            return failed(argv[at], result);
    }
    for (; left > 0; left--) {
        /* The token first: once a process was reaped, its pid is forgotten. */
        result = exithand_set_next(set, -1, &handle);
        if (result > 0)
            result = exithand_token(handle, EXITHAND_TOKEN_PLAIN, token, sizeof token);
        if (result > 0)
            result = exithand_wait(handle, EXITHAND_UNTIL_ENDED, -1, &how);
        if (result < 0)
            return failed("cannot wait", result);
        exithand_exit_text(&how, text, sizeof text);
        printf("%s  %s\n", token, text);
        bad |= exithand_exit_code(&how) != 0;
        exithand_close(handle);
    }
    return bad;
}
