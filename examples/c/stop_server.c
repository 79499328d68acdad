/*
 * Stops a server, and returns once it is really gone: whoever ignores SIGTERM for ten seconds gets
 * SIGKILL.
 *
 *   cc stop_server.c $(pkg-config --cflags --libs exithand) -o stop_server
 *   ./stop_server "$(cat server.pid)" && echo "the port is free"
 */
#include <errno.h>
#include <exithand.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failed(const char *what, int error)
{
    fprintf(stderr, "stop_server: %s: %s\n", what, strerror(-error));
    return 1;
}

int main(int argc, char **argv)
{
    struct exithand_exit how;
    char text[EXITHAND_TEXT_SIZE], *end = NULL;
    long pid = argc == 2 ? strtol(argv[1], &end, 10) : 0;
    int server, result;
    /* Not atoi(3), to which "1x" is the pid of init. */
    if (end == NULL || *end != '\0' || pid <= 1 || pid > INT_MAX) {
        fprintf(stderr, "usage: stop_server PID\n");
        return 2;
    }
    /* From here on no other process can take the server's place. */
    server = exithand_open((pid_t)pid);
    if (server == -ESRCH) {
        printf("it had stopped already\n");
        return 0;
    }
    if (server < 0)
        return failed("cannot open the process", server);

    result = exithand_signal(server, SIGTERM);
    if (result < 0 && result != -ESRCH)
        return failed("cannot signal it", result);
    result = exithand_wait(server, EXITHAND_UNTIL_ENDED, 10000, &how);
    if (result == 0) {
        exithand_signal(server, SIGKILL);
        result = exithand_wait(server, EXITHAND_UNTIL_ENDED, -1, &how);
    }
    if (result < 0)
        return failed("cannot wait for it", result);
    exithand_exit_text(&how, text, sizeof text);
    printf("%s\n", text);
    exithand_close(server);
    return 0;
}
