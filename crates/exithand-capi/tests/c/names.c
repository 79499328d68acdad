/* Tokens, signals, and what can be asked of the library itself. */
#include "check.h"

static void tokens(const char *program)
{
    struct target target = start(9);
    int handle = open_pid(program, target.pid), same;
    char plain[EXITHAND_TOKEN_SIZE], stored[EXITHAND_TOKEN_SIZE], after[EXITHAND_TOKEN_SIZE];
    struct exithand_token_parts parts;
    int length = exithand_token(handle, EXITHAND_TOKEN_PLAIN, plain, sizeof plain);
    CHECK_INT(length, strlen(plain));
    CHECK(exithand_token(handle, EXITHAND_TOKEN_STORED, stored, sizeof stored) > length);
    CHECK_INT(strncmp(plain, stored, (size_t)length), 0);
    CHECK_INT(stored[length], '@');
    CHECK_INT(exithand_token(handle, EXITHAND_TOKEN_PLAIN, after, (size_t)length), -ERANGE);
    CHECK_INT(exithand_token(handle, EXITHAND_TOKEN_PLAIN, after, (size_t)length + 1), length);
    CHECK_INT(exithand_token_same(plain, stored), 1);
    CHECK_INT(exithand_token_same(plain, "1:1"), 0);
    CHECK_INT(exithand_token_same(plain, "x"), -EINVAL);
    CHECK_INT(exithand_token_parse(stored, &parts), 0);
    CHECK_INT(parts.pid, target.pid);
    CHECK_INT(parts.has_boot, 1);
    CHECK_INT((parts.inode != 0) + (parts.start_ticks != 0), 1);
    CHECK_INT(exithand_token_parse("4242:918273", &parts), 0);
    CHECK_INT(parts.pid, 4242);
    CHECK_INT(parts.inode, 918273);
    CHECK_INT(parts.has_boot, 0);
    CHECK_INT(exithand_token_parse("4242:", &parts), -EINVAL);

    CHECK_INT(exithand_open_token("1:2@0f3c1b2a-4d5e-4f60-8a7b-0c1d2e3f4a5b"), -ESRCH);
    same = exithand_open_token(stored);
    if (same != -ENOSYS) {
        CHECK(same > 2);
        CHECK_INT(exithand_pid(same), target.pid);
        CHECK_INT(exithand_close(same), 0);
    }
    let_end(&target);
    CHECK_INT(reap(target.pid), 9 << 8);
    CHECK_INT(exithand_open_token(stored), same == -ENOSYS ? -ENOSYS : -ESRCH);
    CHECK(exithand_token(handle, EXITHAND_TOKEN_PLAIN, after, sizeof after) > 0);
    CHECK_INT(exithand_token_same(after, plain), parts.inode != 0);
    CHECK_INT(exithand_close(handle), 0);
}

static void signals(const char *program)
{
    struct target target = start(0);
    int handle = open_pid(program, target.pid), sent;
    struct exithand_exit how;
    char name[EXITHAND_TEXT_SIZE];
    CHECK_INT(exithand_signal_number("kill"), SIGKILL);
    CHECK_INT(exithand_signal_number("SIGTERM"), SIGTERM);
    CHECK_INT(exithand_signal_number("RTMIN+1"), SIGRTMIN + 1);
    CHECK_INT(exithand_signal_name(SIGHUP, name, sizeof name), 6);
    CHECK_INT(strcmp(name, "SIGHUP"), 0);
    sent = exithand_signal(handle, SIGKILL);
    if (sent == -ENOSYS)
        CHECK_INT(kill(target.pid, SIGKILL), 0);
    else
        CHECK_INT(sent, 0);
    CHECK_INT(exithand_wait(handle, EXITHAND_UNTIL_ENDED, -1, &how), 1);
    CHECK_INT(how.signal, SIGKILL);
    CHECK_INT(reap(target.pid), SIGKILL);
    if (sent == 0)
        CHECK_INT(exithand_signal(handle, SIGTERM), -ESRCH);
    let_end(&target);
    CHECK_INT(exithand_close(handle), 0);
}

static void children_and_threads(void)
{
    struct target target = start(0);
    int handle = exithand_open_child(target.pid), opened;
    if (handle != -ENOSYS) {
        CHECK(handle > 2);
        CHECK_INT(exithand_pid(handle), target.pid);
        CHECK_INT(exithand_close(handle), 0);
        CHECK_INT(exithand_open_child(getppid()), -ECHILD);
        handle = exithand_open_thread(target.pid);
        CHECK(handle > 2 || handle == -EOPNOTSUPP);
        if (handle > 2)
            CHECK_INT(exithand_close(handle), 0);
        handle = exithand_open_self();
        CHECK_INT(exithand_pid(handle), getpid());
        CHECK_INT(exithand_close(handle), 0);
    }
    let_end(&target);
    CHECK_INT(reap(target.pid), 0);
    opened = exithand_open_child(target.pid);
    CHECK(opened == -ECHILD || opened == -ENOSYS);
}

static void features(void)
{
    char text[EXITHAND_TEXT_SIZE];
    int feature;
    for (feature = 1; exithand_probe(feature) != -EINVAL; feature++) {
        CHECK(exithand_probe(feature) <= 1);
        CHECK(exithand_probe_text(feature, text, sizeof text) > 0);
        CHECK(strchr(text, ':') != NULL);
    }
    CHECK_INT(feature, EXITHAND_FEATURE_RELEASE_MEMORY + 1);
    CHECK(strlen(exithand_version()) >= strlen("0.1.0"));
}

int main(int argc, char **argv)
{
    pass_if_told(argc, argv);
    tokens(argv[0]);
    signals(argv[0]);
    children_and_threads();
    features();
    return 0;
}
