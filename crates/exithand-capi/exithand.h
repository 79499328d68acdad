/*
 * Exit handles: wait for any process on Linux, and learn how it ended. Manual: libexithand(3).
 *
 * A handle is a file descriptor: the process's pidfd. Any poll loop can watch it; it is readable
 * once the process has ended. It can be passed on, inherited, duplicated and closed as any other.
 * So there is nothing to free, and a handle that was closed is an error, never a crash.
 *
 * Every function that returns int returns 0 or more on success; on failure a negative error number
 * (-ESRCH), and leaves alone what the pointers point to. All may be called from any number of threads
 * at once, on the same handle too, and none keeps anything between calls.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */

#ifndef EXITHAND_H
#define EXITHAND_H

/* Made by `cargo xtask header` from crates/exithand-capi: edit the sources there. */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/**
 * At least one thread of the process runs.
 */
#define EXITHAND_ALIVE 0

/**
 * The process has ended and waits for its parent: a zombie.
 */
#define EXITHAND_ENDED 1

/**
 * The process is gone: its parent has collected it.
 */
#define EXITHAND_REAPED 2

/**
 * Bytes that are enough for every text of this library but tokens, its null byte included.
 */
#define EXITHAND_TEXT_SIZE 160

/**
 * The process called exit(2): see `exit_status`.
 */
#define EXITHAND_EXITED 1

/**
 * A signal ended the process: see `signal` and `core_dumped`.
 */
#define EXITHAND_KILLED 2

/**
 * The process has ended, and nobody who knows how may or could say: see `why`.
 */
#define EXITHAND_UNKNOWN 3

/**
 * A zombie whose status the kernel shows to its owner only; the reap will tell.
 */
#define EXITHAND_WHY_FOREIGN_ZOMBIE 1

/**
 * A zombie of the caller's own user that made itself unreadable; the reap will tell.
 */
#define EXITHAND_WHY_PROTECTED_ZOMBIE 2

/**
 * A zombie, and no /proc that shows it; the reap will tell.
 */
#define EXITHAND_WHY_UNSEEN_ZOMBIE 3

/**
 * It was reaped, and the kernel keeps no status: that came with Linux 6.15.
 */
#define EXITHAND_WHY_OLD_KERNEL 4

/**
 * It lives in a pid namespace that is not the caller's or below.
 */
#define EXITHAND_WHY_OTHER_PID_NAMESPACE 5

/**
 * A sandbox hides PIDFD_GET_INFO.
 */
#define EXITHAND_WHY_INFO_BLOCKED 6

/**
 * For another reason.
 */
#define EXITHAND_WHY_UNEXPLAINED 7

/**
 * From waitid(2), as it is the caller's own child; the status is left for waitpid(2).
 */
#define EXITHAND_SOURCE_CHILD 1

/**
 * From the kernel, which keeps it for whoever holds a pidfd. Since Linux 6.15.
 */
#define EXITHAND_SOURCE_PIDFD 2

/**
 * From the /proc/PID/stat of the zombie.
 */
#define EXITHAND_SOURCE_ZOMBIE 3

/**
 * Opening a process by pid, and waiting for its end. Since Linux 5.3.
 */
#define EXITHAND_FEATURE_OPEN 1

/**
 * Sending signals through handles. Since Linux 5.1.
 */
#define EXITHAND_FEATURE_SIGNAL 2

/**
 * The outcome of the caller's own children. Since Linux 5.4.
 */
#define EXITHAND_FEATURE_CHILD_STATUS 3

/**
 * The outcome of any process after the reap. Since Linux 6.15.
 */
#define EXITHAND_FEATURE_EXIT_INFO 4

/**
 * The outcome of a zombie from /proc. Since Linux 5.17.
 */
#define EXITHAND_FEATURE_ZOMBIE_STATUS 5

/**
 * Waiting for the reap. Since Linux 6.9.
 */
#define EXITHAND_FEATURE_REAP 6

/**
 * Tokens by inode. Since Linux 6.9.
 */
#define EXITHAND_FEATURE_INODE_TOKEN 7

/**
 * Opening a token without its pid. Since Linux 6.14.
 */
#define EXITHAND_FEATURE_OPEN_BY_INODE 8

/**
 * Handles for single threads. Since Linux 6.9.
 */
#define EXITHAND_FEATURE_THREAD 9

/**
 * Freeing the memory of a killed process at once. Since Linux 5.15.
 */
#define EXITHAND_FEATURE_RELEASE_MEMORY 10

/**
 * Bytes that are enough for every token, its null byte included.
 */
#define EXITHAND_TOKEN_SIZE 80

/**
 * The token as it is printed: PID:INODE, or PID~STARTTIME before Linux 6.9.
 */
#define EXITHAND_TOKEN_PLAIN 0

/**
 * The token as it is saved: with the id of the running boot, so that it stays unmistakable after the
 * next one.
 */
#define EXITHAND_TOKEN_STORED 1

/**
 * Wait until the process has ended: its whole thread group is dead.
 */
#define EXITHAND_UNTIL_ENDED 0

/**
 * Wait until the process was reaped: its parent has collected it, and the pid is free. Since Linux
 * 6.9.
 */
#define EXITHAND_UNTIL_REAPED 1

/**
 * How a process ended. Filled by exithand_wait().
 */
struct exithand_exit {
  /**
   * EXITHAND_EXITED, EXITHAND_KILLED or EXITHAND_UNKNOWN.
   */
  int kind;
  /**
   * The exit status, 0 to 255, of EXITHAND_EXITED; else 0.
   */
  int exit_status;
  /**
   * The signal of EXITHAND_KILLED; else 0.
   */
  int signal;
  /**
   * 1 if a core dump was made, else 0.
   */
  int core_dumped;
  /**
   * The EXITHAND_WHY_... of EXITHAND_UNKNOWN; else 0.
   */
  int why;
  /**
   * The EXITHAND_SOURCE_... by which the outcome was learned; 0 for an unknown one.
   */
  int source;
  /**
   * 1 if the process has been reaped, else 0.
   */
  int reaped;
  /**
   * The outcome as wait4(2) stores it, for WIFEXITED() and the like; -1 for an unknown one, which
   * none of them takes for an end.
   */
  int wait_status;
  /**
   * Zeros, for what later versions may tell.
   */
  int reserved[8];
};

/**
 * What a token says.
 */
struct exithand_token_parts {
  /**
   * The inode number on pidfs; 0 in a token of a kernel before 6.9.
   */
  uint64_t inode;
  /**
   * The start time in clock ticks since boot; 0 in a token with an inode.
   */
  uint64_t start_ticks;
  /**
   * The pid, in the pid namespace of whoever made the token; 0 where it had none there.
   */
  pid_t pid;
  /**
   * 1 in a token with the id of a boot, else 0.
   */
  int has_boot;
  /**
   * Zeros, for what later versions may tell.
   */
  uint64_t reserved[4];
};

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Opens the process that has this pid now, whoever's child it is, and returns a handle. The handle
 * never speaks of another process, whatever happens to the pid. Needs no privilege, never blocks.
 *
 * -ESRCH: there is none, any more. -EINVAL: that is no pid, or it is the number of a thread.
 * -EMFILE, -ENFILE: out of descriptors. -EPERM, -ENOSYS: a sandbox forbids pidfd_open(2).
 */
int exithand_open(pid_t pid);

/**
 * Opens a child of the caller that was not waited for, and returns a handle. Takes nothing away
 * from waitpid(2), which is still to be called.
 *
 * -ECHILD: the process is no child of the caller, or no more. Others as exithand_open().
 */
int exithand_open_child(pid_t pid);

/**
 * Opens one thread, by its thread id; the handle speaks of the end of that thread alone. Since Linux
 * 6.9.
 *
 * -ESRCH: there is none, any more. -EOPNOTSUPP: the kernel is too old. Others as exithand_open().
 */
int exithand_open_thread(pid_t tid);

/**
 * Opens the caller itself, for its token, or for others to inherit. Errors as exithand_open().
 */
int exithand_open_self(void);

/**
 * Makes a handle of a pidfd, whoever opened or passed it, and of a handle: a second one. The
 * descriptor given stays the caller's.
 *
 * A pidfd is a handle already, and may be used as one. This one is close-on-exec and not below 3.
 *
 * -EBADF: the descriptor is closed, or is no pidfd. -EMFILE: out of descriptors.
 */
int exithand_open_pidfd(int pidfd);

/**
 * Opens exactly the process that the token names, or none, and returns a handle.
 *
 * -ESRCH: the process has ended, or the token is from another boot. -EINVAL: that is no token.
 * -EFAULT: it is null. -EOPNOTSUPP: the token needs a newer kernel. Others as exithand_open().
 */
int exithand_open_token(const char *token);

/**
 * Closes a handle, as close(2) does, and returns 0. The process is not touched, and whoever waits
 * for it by this handle goes on waiting.
 *
 * -EBADF: it is closed already, or no handle. What else has got its number since is not closed (as
 * /proc tells); only a newer handle with the same number cannot be told from it.
 */
int exithand_close(int handle);

/**
 * Returns the pid that the process has, or had, in the caller's pid namespace.
 *
 * -ESRCH: it has none there, or was reaped, upon which the kernel forgets it. -EBADF: no handle.
 */
int exithand_pid(int handle);

/**
 * Says where the process is on its way out: EXITHAND_ALIVE, EXITHAND_ENDED or EXITHAND_REAPED.
 * Never blocks.
 *
 * -EBADF: no handle.
 */
int exithand_state(int handle);

/**
 * Fills `how` with what a status of waitpid(2) says, and returns 0.
 *
 * -EINVAL: the status tells of no end, but of a stop. -EFAULT: `how` is null.
 */
int exithand_exit_from_status(int wait_status, struct exithand_exit *how);

/**
 * Says in words how the process ended, and returns the length: "exited 3", "killed 9 KILL",
 * "killed 11 SEGV core", "unknown: kernel before 6.15 and no recorder". EXITHAND_TEXT_SIZE is enough.
 *
 * -EINVAL: `how` was never filled. -ERANGE: `size` is too small. -EFAULT: a pointer is null.
 */
int exithand_exit_text(const struct exithand_exit *how,
                       char *buffer,
                       size_t size);

/**
 * Returns what a shell would: the exit status, or 128 plus the signal.
 *
 * -ENODATA: the outcome is unknown, which is never a number. -EINVAL: `how` was never filled.
 * -EFAULT: it is null.
 */
int exithand_exit_code(const struct exithand_exit *how);

/**
 * Tries a feature on the running kernel, and returns 1 if it works here, and 0 if the kernel does not
 * have it or /proc does not show it. Some start a thread that ends at once.
 *
 * -EINVAL: there is no such feature. -EPERM, -EACCES: a sandbox hides it. Others: it is unclear.
 */
int exithand_probe(int feature);

/**
 * Tries a feature, and says in words what it is and whether it works here: "wait for the reap: no:
 * came with Linux 6.9". Returns the length. EXITHAND_TEXT_SIZE is enough.
 *
 * -EINVAL: there is no such feature. -ERANGE: `size` is too small. -EFAULT: `buffer` is null.
 */
int exithand_probe_text(int feature, char *buffer, size_t size);

/**
 * Returns the version of the library, as "0.1.0".
 */
const char *exithand_version(void);

/**
 * Makes an empty wait set, and returns its descriptor, which any poll loop can watch: it is readable
 * while a finished member has not been fetched.
 *
 * -EMFILE, -ENFILE: out of descriptors.
 */
int exithand_set_open(void);

/**
 * Adds a handle to the set, to wait until its process has ended (EXITHAND_UNTIL_ENDED) or was reaped
 * (EXITHAND_UNTIL_REAPED), and returns 0. Other threads may wait for the set meanwhile. The handle
 * stays the caller's; a set does not keep it open, and one that is closed is a member no more.
 *
 * -EBADF: one of the two is closed, or not what it should be. -EEXIST: the handle is a member.
 * -EDEADLK: it is the caller's own. -EINVAL: there is no such `until`. -EOPNOTSUPP: the kernel does
 * not tell of the reap. -ENOSPC: /proc/sys/fs/epoll/max_user_watches is reached.
 */
int exithand_set_add(int set,
                     int handle,
                     int until);

/**
 * Takes a handle out of the set, finished or not, and returns 0.
 *
 * -ENOENT: it is no member, any more. -EBADF: one of the two is closed, or not what it should be.
 */
int exithand_set_remove(int set, int handle);

/**
 * Waits until a member has finished, takes it out of the set and fills `handle` with it; its outcome
 * is for exithand_wait(), which answers at once. `timeout_ms` as in exithand_wait().
 *
 * Returns 1, or 0 at the timeout. While the set is empty it waits for members that other threads may
 * add: count those you have added. Of several threads that wait, one gets each member.
 *
 * -EBADF: that is no set. -EFAULT: `handle` is null.
 */
int exithand_set_next(int set,
                      int timeout_ms,
                      int *handle);

/**
 * Closes a set, as close(2) does, and returns 0. Its members stay open, and whoever waits for it goes
 * on waiting.
 *
 * -EBADF: it is closed already, or no set.
 */
int exithand_set_close(int set);

/**
 * Sends a signal to this process and no other, and returns 0. Never blocks. A zombie takes every
 * signal and does nothing. The handle of a thread signals that thread.
 *
 * -ESRCH: it was reaped. -EPERM: it exists, and belongs to somebody else. -EINVAL: no such signal; 0
 * is none: see exithand_state(). -EBADF: no handle.
 */
int exithand_signal(int handle,
                    int signum);

/**
 * Frees the memory of a process that was sent SIGKILL, even if the process itself is stuck, and
 * returns 0. Blocks for the time the freeing takes. Since Linux 5.15.
 *
 * -EAGAIN: a part is still held; try again. -EINVAL: it is not dying, or shares its memory with a
 * process that is not. -ESRCH: it has none any more. -EPERM: it belongs to somebody else.
 * -EOPNOTSUPP: the kernel is too old. -EBADF: no handle.
 */
int exithand_release_memory(int handle);

/**
 * Returns the number of a signal by its name, in any case, with or without SIG: TERM, sigkill,
 * RTMIN+1; or by its number as text.
 *
 * -EINVAL: no signal is called so. -EFAULT: the name is null.
 */
int exithand_signal_number(const char *name);

/**
 * Writes the name of a signal, SIGKILL for 9, and returns its length. EXITHAND_TEXT_SIZE is enough.
 *
 * -EINVAL: no such signal. -ERANGE: `size` is too small. -EFAULT: `buffer` is null.
 */
int exithand_signal_name(int signum, char *buffer, size_t size);

/**
 * Writes the token of the process, in the form EXITHAND_TOKEN_PLAIN or EXITHAND_TOKEN_STORED, and
 * returns its length. EXITHAND_TOKEN_SIZE is enough. Works after the end, too; once the process was
 * reaped the pid in it is 0, so take the token while it lives.
 *
 * -EBADF: no handle. -EINVAL: there is no such form. -ERANGE: `size` is too small. -EFAULT: `buffer`
 * is null. -ENOENT: the id of the boot cannot be read, as /proc is not there.
 */
int exithand_token(int handle,
                   int form,
                   char *buffer,
                   size_t size);

/**
 * Takes a token apart, and returns 0. Says nothing about whether the process lives.
 *
 * -EINVAL: that is no token. -EFAULT: a pointer is null.
 */
int exithand_token_parse(const char *token, struct exithand_token_parts *parts);

/**
 * Returns 1 where both tokens name the same process, else 0. One with the id of a boot and one
 * without are the same if the rest is.
 *
 * -EINVAL: one of them is no token. -EFAULT: one of them is null.
 */
int exithand_token_same(const char *one, const char *other);

/**
 * Waits until the process has ended, or was reaped, and tells how it ended. `timeout_ms` is how long
 * at most: 0 looks and does not block, and a negative one is no limit. The time counts on while the
 * machine sleeps, and signals do not interrupt the wait.
 *
 * Returns 1 and fills `how`, or 0 at the timeout. Waiting again gives the same answer at once. An
 * outcome that nobody may tell yet is waited for a tenth of a second, within the timeout; then it is
 * EXITHAND_UNKNOWN and says why.
 *
 * -EBADF: no handle, or it was closed meanwhile. -EDEADLK: it is the caller's own. -EFAULT: `how` is
 * null. -EINVAL: there is no such `until`. -EOPNOTSUPP: the kernel does not tell of the reap.
 */
int exithand_wait(int handle,
                  int until,
                  int timeout_ms,
                  struct exithand_exit *how);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* EXITHAND_H */
