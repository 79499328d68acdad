/* What the test programs share: checks, and processes whose ends are known. */
#ifndef CHECK_H
#define CHECK_H

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "exithand.h"

/* Ends the program, and so fails its test, unless `found` is `wanted`. */
#define CHECK_INT(found, wanted) \
    check_int((long)(found), (long)(wanted), #found, __FILE__, __LINE__)
#define CHECK(condition) CHECK_INT(!!(condition), 1)

static inline void check_int(long found, long wanted, const char *what, const char *file, int line)
{
    if (found == wanted)
        return;
    fprintf(stderr, "%s:%d: %s is %ld, not %ld\n", file, line, what, found, wanted);
    exit(1);
}

/* Says what is true here; exithand_probe() would not know under valgrind. */
static inline int linux_since(int major, int minor)
{
    struct utsname name;
    int running_major, running_minor;
    CHECK_INT(uname(&name), 0);
    CHECK_INT(sscanf(name.release, "%d.%d", &running_major, &running_minor), 2);
    return running_major > major || (running_major == major && running_minor >= minor);
}

/* A process that waits until `go` is closed, and then ends as it was told. */
struct target {
    pid_t pid;
    int go;
};

/* What a target is to do: an exit status, or the negative number of a signal. */
static inline void end_as(int end)
{
    const struct rlimit no_core = {0, 0};
    if (end >= 0)
        _exit(end);
    setrlimit(RLIMIT_CORE, &no_core);
    signal(-end, SIG_DFL);
    kill(getpid(), -end);
    for (;;)
        pause();
}

static inline struct target start(int end)
{
    struct target target;
    int go[2];
    char byte;
    CHECK_INT(pipe(go), 0);
    target.pid = fork();
    CHECK(target.pid >= 0);
    if (target.pid == 0) {
        close(go[1]);
        while (read(go[0], &byte, 1) > 0)
            continue;
        end_as(end);
    }
    close(go[0]);
    target.go = go[1];
    return target;
}

/* Lets a target end. Targets started later hold the pipe open too: end those first. */
static inline void let_end(struct target *target)
{
    close(target->go);
    target->go = -1;
}

static inline int reap(pid_t pid)
{
    int status = -1;
    CHECK_INT(waitpid(pid, &status, 0), pid);
    return status;
}

/* Says what a program does that is started as `argv[0] pass SOCKET PID`. */
static inline void pass_if_told(int argc, char **argv)
{
    char control[CMSG_SPACE(sizeof(int))];
    char byte = 0;
    struct iovec data = {&byte, 1};
    struct msghdr message;
    struct cmsghdr *rights;
    int handle;
    if (argc != 4 || strcmp(argv[1], "pass") != 0)
        return;
    handle = exithand_open(atoi(argv[3]));
    CHECK(handle >= 0);
    memset(&message, 0, sizeof message);
    memset(control, 0, sizeof control);
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(rights), &handle, sizeof handle);
    CHECK_INT(sendmsg(atoi(argv[2]), &message, 0), 1);
    exit(0);
}

/* Opens a process, or lets somebody do it who may: valgrind 3.19 does not know pidfd_open(2). */
static inline int open_pid(const char *program, pid_t pid)
{
    char control[CMSG_SPACE(sizeof(int))], socket_text[16], pid_text[16];
    char byte;
    struct iovec data = {&byte, 1};
    struct msghdr message;
    int sockets[2], passed;
    pid_t passer;
    int handle = exithand_open(pid);
    if (handle != -ENOSYS)
        return handle;
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
    sprintf(socket_text, "%d", sockets[1]);
    sprintf(pid_text, "%d", (int)pid);
    passer = fork();
    if (passer == 0) {
        execl(program, program, "pass", socket_text, pid_text, (char *)NULL);
        _exit(127);
    }
    CHECK_INT(reap(passer), 0);
    memset(&message, 0, sizeof message);
    memset(control, 0, sizeof control);
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    CHECK_INT(recvmsg(sockets[0], &message, 0), 1);
    memcpy(&passed, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof passed);
    close(sockets[0]);
    close(sockets[1]);
    handle = exithand_open_pidfd(passed);
    CHECK(handle >= 0);
    close(passed);
    return handle;
}

#endif
