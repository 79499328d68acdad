/* Whatever a program does wrong with handles is an error, and nothing crashes. */
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>

#include "check.h"

enum { THREADS = 64 };

static int never_fd(void)
{
    return INT_MAX;
}

static void null_pointers(int handle)
{
    struct exithand_exit how;
    struct exithand_token_parts parts;
    CHECK_INT(exithand_wait(handle, EXITHAND_UNTIL_ENDED, 0, NULL), -EFAULT);
    CHECK_INT(exithand_open_token(NULL), -EFAULT);
    CHECK_INT(exithand_token(handle, EXITHAND_TOKEN_PLAIN, NULL, 80), -EFAULT);
    CHECK_INT(exithand_token_parse(NULL, &parts), -EFAULT);
    CHECK_INT(exithand_token_parse("1:2", NULL), -EFAULT);
    CHECK_INT(exithand_token_same(NULL, "1:2"), -EFAULT);
    CHECK_INT(exithand_token_same("1:2", NULL), -EFAULT);
    CHECK_INT(exithand_exit_from_status(0, NULL), -EFAULT);
    CHECK_INT(exithand_exit_from_status(0, &how), 0);
    CHECK_INT(exithand_exit_text(&how, NULL, 80), -EFAULT);
    CHECK_INT(exithand_exit_text(NULL, (char *)&how, sizeof how), -EFAULT);
    CHECK_INT(exithand_exit_code(NULL), -EFAULT);
    CHECK_INT(exithand_signal_number(NULL), -EFAULT);
    CHECK_INT(exithand_signal_name(9, NULL, 80), -EFAULT);
    CHECK_INT(exithand_probe_text(EXITHAND_FEATURE_OPEN, NULL, 80), -EFAULT);
    CHECK_INT(exithand_set_next(never_fd(), 0, NULL), -EFAULT);
}

/* Everything that takes a handle refuses this one. */
static void refused_as_handle(int handle)
{
    struct exithand_exit how;
    char token[EXITHAND_TOKEN_SIZE];
    int set = exithand_set_open();
    CHECK_INT(exithand_close(handle), -EBADF);
    CHECK_INT(exithand_pid(handle), -EBADF);
    CHECK_INT(exithand_state(handle), -EBADF);
    CHECK_INT(exithand_wait(handle, EXITHAND_UNTIL_ENDED, -1, &how), -EBADF);
    CHECK_INT(exithand_signal(handle, SIGTERM), -EBADF);
    CHECK_INT(exithand_release_memory(handle), -EBADF);
    CHECK_INT(exithand_open_pidfd(handle), -EBADF);
    CHECK_INT(exithand_token(handle, EXITHAND_TOKEN_PLAIN, token, sizeof token), -EBADF);
    CHECK_INT(exithand_set_add(set, handle, EXITHAND_UNTIL_ENDED), -EBADF);
    CHECK_INT(exithand_set_close(set), 0);
}

/* Everything that takes a set refuses this one. */
static void refused_as_set(int set, int handle)
{
    int finished = -7;
    CHECK_INT(exithand_set_add(set, handle, EXITHAND_UNTIL_ENDED), -EBADF);
    CHECK_INT(exithand_set_remove(set, handle), -EBADF);
    CHECK_INT(exithand_set_next(set, -1, &finished), -EBADF);
    CHECK_INT(exithand_set_close(set), -EBADF);
    CHECK_INT(finished, -7);
}

static void wrong_descriptors(int handle)
{
    int file = open("/dev/null", O_RDWR), set = exithand_set_open();
    int pipes[2], at;
    int wrong[6];
    CHECK_INT(pipe(pipes), 0);
    wrong[0] = -1;
    wrong[1] = INT_MIN;
    wrong[2] = never_fd();
    wrong[3] = file;
    wrong[4] = pipes[0];
    wrong[5] = 1;
    for (at = 0; at < 6; at++) {
        refused_as_handle(wrong[at]);
        refused_as_set(wrong[at], handle);
    }
    refused_as_handle(set);
    refused_as_set(handle, handle);
    /* They were not closed for it. */
    CHECK(fcntl(file, F_GETFD) >= 0 && fcntl(set, F_GETFD) >= 0 && fcntl(handle, F_GETFD) >= 0);
    CHECK_INT(exithand_set_close(set), 0);
    CHECK_INT(exithand_set_close(set), -EBADF);
    close(file);
    close(pipes[0]);
    close(pipes[1]);
}

static void double_close(int handle)
{
    int second = exithand_open_pidfd(handle), file;
    CHECK(second > 2);
    CHECK_INT(exithand_close(second), 0);
    CHECK_INT(exithand_close(second), -EBADF);
    refused_as_handle(second);
    /* What takes over the number is not taken for the handle, and not closed. */
    file = fcntl(0, F_DUPFD, second);
    CHECK_INT(file, second);
    CHECK_INT(exithand_close(second), -EBADF);
    CHECK(fcntl(file, F_GETFD) >= 0);
    close(file);
}

static void wrong_numbers(int handle)
{
    struct exithand_exit how;
    char buffer[8];
    memset(buffer, 'x', sizeof buffer);
    CHECK_INT(exithand_open(0), -EINVAL);
    CHECK_INT(exithand_open(-1), -EINVAL);
    CHECK_INT(exithand_open(INT_MIN), -EINVAL);
    CHECK_INT(exithand_open_child(0), -EINVAL);
    CHECK_INT(exithand_open_thread(-5), -EINVAL);
    CHECK_INT(exithand_wait(handle, 7, 0, &how), -EINVAL);
    CHECK_INT(exithand_signal(handle, 0), -EINVAL);
    CHECK_INT(exithand_signal(handle, 65), -EINVAL);
    CHECK_INT(exithand_signal_name(0, buffer, sizeof buffer), -EINVAL);
    CHECK_INT(exithand_signal_number("SIGNONE"), -EINVAL);
    CHECK_INT(exithand_signal_number("\xff\xfe"), -EINVAL);
    CHECK_INT(exithand_token(handle, 9, buffer, sizeof buffer), -EINVAL);
    CHECK_INT(exithand_open_token("4242"), -EINVAL);
    CHECK_INT(exithand_probe(0), -EINVAL);
    CHECK_INT(exithand_probe(11), -EINVAL);
    CHECK_INT(exithand_signal_name(9, buffer, 7), -ERANGE);
    CHECK_INT(exithand_signal_name(9, buffer, 0), -ERANGE);
    CHECK_INT(buffer[0], 'x');
    CHECK_INT(exithand_signal_name(9, buffer, 8), 7);
    CHECK_INT(strcmp(buffer, "SIGKILL"), 0);
    memset(&how, 0, sizeof how);
    CHECK_INT(exithand_exit_code(&how), -EINVAL);
    how.kind = EXITHAND_EXITED;
    how.exit_status = 256;
    CHECK_INT(exithand_exit_code(&how), -EINVAL);
    how.kind = EXITHAND_UNKNOWN;
    CHECK_INT(exithand_exit_text(&how, buffer, sizeof buffer), -EINVAL);
}

/* A forked child may use the handles it has inherited; it may even wait for its parent. */
static void after_fork(int handle, int own)
{
    struct exithand_exit how;
    pid_t child;
    CHECK_INT(exithand_wait(own, EXITHAND_UNTIL_ENDED, -1, &how), -EDEADLK);
    child = fork();
    if (child == 0) {
        int set = exithand_set_open();
        CHECK_INT(exithand_state(handle), EXITHAND_ALIVE);
        CHECK_INT(exithand_wait(own, EXITHAND_UNTIL_ENDED, 0, &how), 0);
        CHECK_INT(exithand_set_add(set, own, EXITHAND_UNTIL_ENDED), 0);
        CHECK_INT(exithand_set_close(set), 0);
        CHECK_INT(exithand_open_child(exithand_pid(handle)) < 0, 1);
        CHECK_INT(exithand_close(handle), 0);
        CHECK_INT(exithand_close(handle), -EBADF);
        exit(0);
    }
    CHECK_INT(reap(child), 0);
    CHECK_INT(exithand_state(handle), EXITHAND_ALIVE);
}

static void *wait_for(void *handle)
{
    struct exithand_exit how;
    CHECK_INT(exithand_wait(*(int *)handle, EXITHAND_UNTIL_ENDED, -1, &how), 1);
    CHECK_INT(how.exit_status, 5);
    return NULL;
}

static void *use_wildly(void *handle)
{
    struct exithand_exit how;
    int at;
    for (at = 0; at < 20; at++) {
        int result = exithand_wait(*(int *)handle, EXITHAND_UNTIL_ENDED, 0, &how);
        if (result != 0)
            CHECK_INT(result, -EBADF);
        result = exithand_close(*(int *)handle);
        if (result != 0)
            CHECK_INT(result, -EBADF);
    }
    return NULL;
}

/* Learns that its handle was closed, or begins so late that the number is another process's. */
static void *wait_for_closed(void *handle)
{
    struct exithand_exit how;
    int result = exithand_wait(*(int *)handle, EXITHAND_UNTIL_ENDED, -1, &how);
    CHECK(result == -EBADF || (result == 1 && how.exit_status == 8));
    return NULL;
}

/* One handle, 64 threads: they all get the answer; and whoever closes it first has closed it. */
static void shared(const char *program)
{
    pthread_t threads[THREADS];
    struct target target = start(5);
    int handle = open_pid(program, target.pid), at;
    for (at = 0; at < THREADS; at++)
        CHECK_INT(pthread_create(&threads[at], NULL, wait_for, &handle), 0);
    let_end(&target);
    for (at = 0; at < THREADS; at++)
        CHECK_INT(pthread_join(threads[at], NULL), 0);
    CHECK_INT(exithand_close(handle), 0);
    CHECK_INT(reap(target.pid), 5 << 8);

    target = start(6);
    handle = open_pid(program, target.pid);
    for (at = 0; at < THREADS; at++)
        CHECK_INT(pthread_create(&threads[at], NULL, use_wildly, &handle), 0);
    for (at = 0; at < THREADS; at++)
        CHECK_INT(pthread_join(threads[at], NULL), 0);
    CHECK_INT(exithand_close(handle), -EBADF);
    let_end(&target);
    CHECK_INT(reap(target.pid), 6 << 8);
}

/* Another thread closes the handle that one waits for, and another process gets its number. */
static void closed_while_waiting(const char *program)
{
    pthread_t waiter;
    struct target target = start(7), other = start(8);
    int handle = open_pid(program, target.pid), second = open_pid(program, other.pid), taken;
    struct exithand_exit how;
    let_end(&other);
    CHECK_INT(exithand_wait(second, EXITHAND_UNTIL_ENDED, -1, &how), 1);
    CHECK_INT(pthread_create(&waiter, NULL, wait_for_closed, &handle), 0);
    CHECK_INT(exithand_close(handle), 0);
    taken = exithand_open_pidfd(second);
    CHECK_INT(taken, handle);
    let_end(&target);
    CHECK_INT(pthread_join(waiter, NULL), 0);
    CHECK_INT(reap(target.pid), 7 << 8);
    CHECK_INT(reap(other.pid), 8 << 8);
    CHECK_INT(exithand_close(taken), 0);
    CHECK_INT(exithand_close(second), 0);
}

/* Without a descriptor left, what needs one says so, and what is open can be closed. */
static void out_of_descriptors(int handle)
{
    struct rlimit before, none;
    struct exithand_exit how;
    int second = exithand_open_pidfd(handle);
    CHECK_INT(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 3;
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &none), 0);
    CHECK_INT(exithand_open_pidfd(handle), -EMFILE);
    CHECK_INT(exithand_set_open(), -EMFILE);
    CHECK_INT(exithand_wait(handle, EXITHAND_UNTIL_ENDED, 0, &how), 0);
    CHECK_INT(exithand_close(second), 0);
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &before), 0);
}

int main(int argc, char **argv)
{
    struct target target;
    int handle, own;
    pass_if_told(argc, argv);
    target = start(0);
    handle = open_pid(argv[0], target.pid);
    own = open_pid(argv[0], getpid());
    null_pointers(handle);
    wrong_descriptors(handle);
    double_close(handle);
    wrong_numbers(handle);
    after_fork(handle, own);
    out_of_descriptors(handle);
    if (linux_since(6, 9))
        closed_while_waiting(argv[0]);
    shared(argv[0]);
    CHECK_INT(exithand_close(own), 0);
    CHECK_INT(exithand_close(handle), 0);
    let_end(&target);
    CHECK_INT(reap(target.pid), 0);
    return 0;
}
