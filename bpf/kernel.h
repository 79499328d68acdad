/* The few fields of the kernel's structures that the probes read.
 *
 * Offsets are not those seen here: the loader takes them from the running kernel's BTF. So only
 * names and types count, and a structure with `___` in its name is a form that some kernels have.
 */
#ifndef EXITHAND_KERNEL_H
#define EXITHAND_KERNEL_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef int s32;
typedef unsigned long long u64;
typedef long long s64;

/* What <bpf/bpf_helpers.h> takes from <linux/types.h>. */
typedef u8 __u8;
typedef u16 __u16;
typedef u32 __u32;
typedef s32 __s32;
typedef u64 __u64;
typedef s64 __s64;
typedef u16 __be16;
typedef u32 __be32;
typedef u32 __wsum;

enum {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_RINGBUF = 27,
	BPF_ANY = 0,
	BPF_NOEXIST = 1,
	BPF_RB_FORCE_WAKEUP = 2,
	BPF_RB_AVAIL_DATA = 0,
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct upid {
	int nr;
};

struct pid {
	u32 level;
	struct upid numbers[1];
};

struct pid___inode { /* 6.9 */
	u64 ino;
};

typedef struct {
	u32 val;
} kuid_t;

struct cred {
	kuid_t uid;
	kuid_t gid;
};

struct qstr {
	const u8 *name;
};

struct dentry {
	struct dentry *d_parent;
	struct qstr d_name;
};

struct vfsmount {
	struct dentry *mnt_root;
};

struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
};

struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
};

struct file {
	struct path f_path;
};

struct mm_struct {
	unsigned long arg_start;
	unsigned long arg_end;
	struct file *exe_file;
};

struct kernfs_node {
	const char *name;
	u64 id;
};

struct kernfs_node___public {
	struct kernfs_node *parent;
};

struct kernfs_node___hidden { /* 6.15 */
	struct kernfs_node *__parent;
};

struct cgroup {
	struct kernfs_node *kn;
};

typedef struct {
	s64 counter;
} atomic64_t;

struct page_counter {
	atomic64_t usage;
	unsigned long max;
};

struct cgroup_subsys_state {
	struct cgroup *cgroup;
	struct cgroup_subsys_state *parent;
};

struct mem_cgroup {
	struct cgroup_subsys_state css;
	struct page_counter memory;
	_Bool oom_lock;
	atomic64_t memory_events_local[1];
};

struct css_set {
	struct cgroup_subsys_state *subsys[1];
	struct cgroup *dfl_cgrp;
};

typedef struct {
	int counter;
} atomic_t;

struct task_io_accounting {
	u64 read_bytes;
	u64 write_bytes;
};

struct signal_struct {
	atomic_t live;
	int group_exit_code;
	u32 flags;
	u64 utime;
	u64 stime;
	u64 sum_sched_runtime;
	unsigned long nvcsw;
	unsigned long nivcsw;
	unsigned long maxrss;
	struct task_io_accounting ioac;
};

typedef struct {
	unsigned long sig[1];
} sigset_t;

struct sigaction {
	void *sa_handler;
};

struct k_sigaction {
	struct sigaction sa;
};

struct sighand_struct {
	struct k_sigaction action[64];
};

struct kernel_siginfo {
	int si_signo;
	int si_errno;
	int si_code;
};

struct sched_entity {
	u64 sum_exec_runtime;
};

struct task_struct {
	u32 flags;
	u32 ptrace;
	struct sched_entity se;
	struct mm_struct *mm;
	int exit_code;
	int pid;
	int tgid;
	struct task_struct *real_parent;
	struct task_struct *group_leader;
	struct pid *thread_pid;
	u64 utime;
	u64 stime;
	unsigned long nvcsw;
	unsigned long nivcsw;
	u64 start_boottime;
	struct cred *cred;
	char comm[16];
	struct signal_struct *signal;
	struct sighand_struct *sighand;
	sigset_t blocked;
	struct task_io_accounting ioac;
	struct css_set *cgroups;
};

#pragma clang attribute pop

enum cgroup_subsys_id {
	memory_cgrp_id = 4,
};

enum memcg_memory_event {
	MEMCG_OOM = 3,
};

#endif
