/* A set gives each finished member once, and counts handles, not events. */
#include "check.h"

enum { MEMBERS = 20 };

static void all_of_many(const char *program)
{
    struct target targets[MEMBERS];
    int handles[MEMBERS], seen[MEMBERS], at, left, finished, set = exithand_set_open();
    struct exithand_exit how;
    struct pollfd polled = {set, POLLIN, 0};
    CHECK(set > 2);
    for (at = 0; at < MEMBERS; at++) {
        targets[at] = start(at);
        seen[at] = 0;
        handles[at] = open_pid(program, targets[at].pid);
        CHECK_INT(exithand_set_add(set, handles[at], EXITHAND_UNTIL_ENDED), 0);
        CHECK_INT(exithand_set_add(set, handles[at], EXITHAND_UNTIL_ENDED), -EEXIST);
    }
    finished = -7;
    CHECK_INT(exithand_set_next(set, 0, &finished), 0);
    CHECK_INT(exithand_set_next(set, 1, &finished), 0);
    CHECK_INT(finished, -7);
    CHECK_INT(poll(&polled, 1, 0), 0);
    for (at = MEMBERS - 1; at >= 0; at--)
        let_end(&targets[at]);
    for (left = MEMBERS; left > 0; left--) {
        CHECK_INT(exithand_set_next(set, -1, &finished), 1);
        for (at = 0; at < MEMBERS && handles[at] != finished; at++)
            continue;
        CHECK(at < MEMBERS && !seen[at]);
        seen[at] = 1;
        CHECK_INT(exithand_wait(finished, EXITHAND_UNTIL_ENDED, -1, &how), 1);
        CHECK_INT(how.wait_status, reap(targets[at].pid));
        CHECK_INT(how.exit_status, at);
        CHECK_INT(exithand_set_remove(set, finished), -ENOENT);
        CHECK_INT(exithand_close(finished), 0);
    }
    CHECK_INT(exithand_set_next(set, 0, &finished), 0);
    CHECK_INT(exithand_set_close(set), 0);
}

static void until_reaped(const char *program)
{
    struct target target = start(0);
    int handle = open_pid(program, target.pid), set = exithand_set_open(), finished;
    struct exithand_exit how;
    if (!linux_since(6, 9)) {
        CHECK_INT(exithand_set_add(set, handle, EXITHAND_UNTIL_REAPED), -EOPNOTSUPP);
    } else {
        CHECK_INT(exithand_set_add(set, handle, EXITHAND_UNTIL_REAPED), 0);
        let_end(&target);
        CHECK_INT(exithand_wait(handle, EXITHAND_UNTIL_ENDED, -1, &how), 1);
        CHECK_INT(exithand_set_next(set, 0, &finished), 0);
        CHECK_INT(reap(target.pid), 0);
        CHECK_INT(exithand_set_next(set, -1, &finished), 1);
        CHECK_INT(finished, handle);
    }
    CHECK_INT(exithand_close(handle), 0);
    CHECK_INT(exithand_set_close(set), 0);
}

static void removed_and_closed(const char *program)
{
    struct target one = start(1), other = start(2);
    int first = open_pid(program, one.pid), second = open_pid(program, other.pid);
    int set = exithand_set_open(), copy, finished, third;
    CHECK_INT(exithand_set_add(set, first, EXITHAND_UNTIL_ENDED), 0);
    CHECK_INT(exithand_set_remove(set, first), 0);
    CHECK_INT(exithand_set_remove(set, first), -ENOENT);
    CHECK_INT(exithand_set_add(set, first, EXITHAND_UNTIL_ENDED), 0);
    CHECK_INT(exithand_set_add(set, second, EXITHAND_UNTIL_ENDED), 0);
    /* The copy keeps the registration in the kernel alive, which is not taken for the new handle. */
    copy = dup(first);
    CHECK_INT(exithand_close(first), 0);
    third = exithand_open_pidfd(second);
    CHECK_INT(third, first);
    let_end(&other);
    let_end(&one);
    CHECK_INT(reap(one.pid), 1 << 8);
    CHECK_INT(reap(other.pid), 2 << 8);
    CHECK_INT(exithand_set_next(set, -1, &finished), 1);
    CHECK_INT(finished, second);
    if (linux_since(6, 9))
        CHECK_INT(exithand_set_next(set, 0, &finished), 0);
    close(copy);
    CHECK_INT(exithand_close(second), 0);
    CHECK_INT(exithand_close(third), 0);
    CHECK_INT(exithand_set_close(set), 0);
}

static void oneself(const char *program)
{
    int own = open_pid(program, getpid()), set = exithand_set_open();
    CHECK_INT(exithand_set_add(set, own, EXITHAND_UNTIL_ENDED), -EDEADLK);
    CHECK_INT(exithand_set_add(set, own, 5), -EINVAL);
    CHECK_INT(exithand_close(own), 0);
    CHECK_INT(exithand_set_close(set), 0);
}

int main(int argc, char **argv)
{
    pass_if_told(argc, argv);
    all_of_many(argv[0]);
    until_reaped(argv[0]);
    removed_and_closed(argv[0]);
    oneself(argv[0]);
    return 0;
}
