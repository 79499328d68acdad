/*
 * A job that outlives whoever has started it: `resume start FILE COMMAND...` starts it and writes its
 * token to FILE; `resume wait FILE` waits for that very process, and exits as it did.
 *
 *   cc resume.c $(pkg-config --cflags --libs exithand) -o resume
 *   ./resume start job.token make -j4 && ./resume wait job.token
 */
#include <errno.h>
#include <exithand.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int start(FILE *file, char **command)
{
    char token[EXITHAND_TOKEN_SIZE];
    int job, result;
    pid_t pid = fork();
    if (pid == 0) {
        execvp(command[0], command);
        _exit(127);
    }
    /* Even if it has ended by now, its pid is its own until we wait for it, which we do not. */
    job = exithand_open_child(pid);
    result = job < 0 ? job : exithand_token(job, EXITHAND_TOKEN_STORED, token, sizeof token);
    if (result < 0 || fprintf(file, "%s\n", token) < 0 || fclose(file) != 0) {
        fprintf(stderr, "resume: no token: %s\n", strerror(result < 0 ? -result : errno));
        return 125;
    }
    return 0;
}

static int resume(FILE *file)
{
    char token[EXITHAND_TOKEN_SIZE + 1] = "";
    struct exithand_exit how;
    int job, result;
    if (fgets(token, sizeof token, file) != NULL)
        token[strcspn(token, "\n")] = '\0';
    job = exithand_open_token(token);
    result = job < 0 ? job : exithand_wait(job, EXITHAND_UNTIL_ENDED, -1, &how);
    if (result < 0) {
        fprintf(stderr, "resume: %s: %s\n", token, strerror(-result));
        return result == -ESRCH ? 127 : 125;
    }
    result = exithand_exit_code(&how);
    return result == -ENODATA ? 126 : result;
}

int main(int argc, char **argv)
{
    int starts = argc > 3 && strcmp(argv[1], "start") == 0;
    FILE *file = argc > 2 ? fopen(argv[2], starts ? "w" : "r") : NULL;
    if (file != NULL)
        return starts ? start(file, argv + 3) : resume(file);
    fprintf(stderr, "usage: resume start FILE COMMAND... | resume wait FILE\n");
    return 2;
}
