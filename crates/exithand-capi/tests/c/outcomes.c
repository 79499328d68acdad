/* What exithand_wait() says is what waitpid(2) says: for children, and for processes of others. */
#include "check.h"

static const int ends[] = {0, 1, 3, 255, -SIGTERM, -SIGKILL, -SIGSEGV, -SIGABRT};

static void compare(const struct exithand_exit *how, int status)
{
    struct exithand_exit decoded;
    char text[EXITHAND_TEXT_SIZE], other[EXITHAND_TEXT_SIZE];
    CHECK_INT(how->wait_status, status);
    CHECK_INT(how->kind, WIFEXITED(status) ? EXITHAND_EXITED : EXITHAND_KILLED);
    CHECK_INT(how->exit_status, WIFEXITED(status) ? WEXITSTATUS(status) : 0);
    CHECK_INT(how->signal, WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    CHECK_INT(how->core_dumped, WIFSIGNALED(status) && WCOREDUMP(status));
    CHECK_INT(how->why, 0);
    CHECK_INT(exithand_exit_code(how),
              WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    CHECK_INT(exithand_exit_from_status(status, &decoded), 0);
    CHECK(exithand_exit_text(how, text, sizeof text) > 0);
    CHECK(exithand_exit_text(&decoded, other, sizeof other) > 0);
    CHECK_INT(strcmp(text, other), 0);
}

/* A child: known before it is reaped, and left for waitpid(2). */
static void child(const char *program, int end)
{
    struct target target = start(end);
    struct exithand_exit how, again;
    int handle = open_pid(program, target.pid), status;
    struct pollfd polled = {handle, POLLIN, 0};
    CHECK(handle > 2);
    CHECK_INT(exithand_state(handle), EXITHAND_ALIVE);
    CHECK_INT(exithand_wait(handle, EXITHAND_UNTIL_ENDED, 0, &how), 0);
    CHECK_INT(exithand_wait(handle, EXITHAND_UNTIL_ENDED, 1, &how), 0);
    CHECK_INT(poll(&polled, 1, 0), 0);
    let_end(&target);
    CHECK_INT(exithand_wait(handle, EXITHAND_UNTIL_ENDED, -1, &how), 1);
    CHECK_INT(how.source, EXITHAND_SOURCE_CHILD);
    CHECK_INT(how.reaped, 0);
    CHECK_INT(poll(&polled, 1, 0), 1);
    CHECK_INT(exithand_state(handle), EXITHAND_ENDED);
    CHECK_INT(exithand_wait(handle, EXITHAND_UNTIL_REAPED, 0, &how),
              linux_since(6, 9) ? 0 : -EOPNOTSUPP);
    status = reap(target.pid);
    compare(&how, status);
    CHECK_INT(exithand_state(handle), EXITHAND_REAPED);
    if (linux_since(6, 15)) {
        CHECK_INT(exithand_wait(handle, EXITHAND_UNTIL_REAPED, 60000, &again), 1);
        CHECK_INT(again.reaped, 1);
        compare(&again, status);
    }
    CHECK_INT(exithand_close(handle), 0);
}

/* Somebody else's child: known once it was reaped, where the kernel keeps it. */
static void stranger(const char *program, int end)
{
    int told[2], go[2], handle, status;
    struct exithand_exit how;
    pid_t parent, pid;
    CHECK_INT(pipe(told), 0);
    CHECK_INT(pipe(go), 0);
    parent = fork();
    if (parent == 0) {
        struct target target = start(end);
        char byte;
        CHECK_INT(write(told[1], &target.pid, sizeof target.pid), sizeof target.pid);
        CHECK_INT(read(go[0], &byte, 1), 1);
        let_end(&target);
        status = reap(target.pid);
        CHECK_INT(write(told[1], &status, sizeof status), sizeof status);
        exit(0);
    }
    CHECK_INT(read(told[0], &pid, sizeof pid), sizeof pid);
    handle = open_pid(program, pid);
    CHECK(handle > 2);
    CHECK_INT(write(go[1], "", 1), 1);
    CHECK_INT(exithand_wait(handle, EXITHAND_UNTIL_REAPED, -1, &how), 1);
    CHECK_INT(read(told[0], &status, sizeof status), sizeof status);
    CHECK_INT(reap(parent), 0);
    if (how.kind == EXITHAND_UNKNOWN) {
        /* The parent was faster than we were, and the kernel has forgotten. */
        CHECK(!linux_since(6, 15));
        CHECK_INT(how.why, EXITHAND_WHY_OLD_KERNEL);
        CHECK_INT(how.wait_status, -1);
        CHECK_INT(exithand_exit_code(&how), -ENODATA);
    } else {
        CHECK(how.source == EXITHAND_SOURCE_PIDFD || how.source == EXITHAND_SOURCE_ZOMBIE);
        compare(&how, status);
    }
    CHECK_INT(exithand_close(handle), 0);
    close(told[0]);
    close(told[1]);
    close(go[0]);
    close(go[1]);
}

int main(int argc, char **argv)
{
    struct exithand_exit how;
    size_t at;
    pass_if_told(argc, argv);
    for (at = 0; at < sizeof ends / sizeof *ends; at++) {
        child(argv[0], ends[at]);
        if (linux_since(6, 9))
            stranger(argv[0], ends[at]);
    }
    CHECK_INT(exithand_exit_from_status(0x137f, &how), -EINVAL);
    return 0;
}
