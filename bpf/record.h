/* What the probes keep and what they hand over. `src/bpf/wire.rs` reads the same bytes. */
#ifndef EXITHAND_RECORD_H
#define EXITHAND_RECORD_H

#include "kernel.h"

enum {
	COMM = 16,
	/* Names of a path, the last first, each ended by a zero byte. A name has up to 255 bytes,
	 * and one more may begin as long as fewer than PATH_SOFT bytes are taken. */
	PATH_SOFT = 512,
	NAME = 256,
	PATH = PATH_SOFT + NAME,
	ARGV = 1024,
	CHAIN = 8,
	DEPTH = 24,
};

enum kind {
	KIND_EXIT = 1,
	KIND_CGROUP = 2,
};

enum flag {
	FLAG_NAMESPACE_INIT = 1 << 0,
	FLAG_ARGV_CUT = 1 << 1,
	FLAG_EXE_CUT = 1 << 2,
	FLAG_IMAGE = 1 << 3,
	FLAG_KILLER = 1 << 4,
	FLAG_KILLER_EXE_CUT = 1 << 5,
	FLAG_OOM = 1 << 6,
	FLAG_OOM_MEMCG = 1 << 7,
	FLAG_OOM_CUT = 1 << 8,
};

/* Why a record is missing: the index of its counter. */
enum loss {
	LOST_EXIT = 0,
	LOST_CGROUP = 1,
	LOSSES = 2,
};

/* One process; the start time tells a pid from its successors. */
struct key {
	u32 tgid;
	u32 signal; /* in `killers`; SEEDED in `images`; else 0 */
	u64 start_ns;
};

/* What a process executed. The address of its words and the file tell an image that a child has
 * from its parent from one of its own. */
struct image {
	u64 file;
	u64 arg_start;
	u16 exe_len;
	u16 argv_len;
	u16 exe_cut;
	u16 argv_cut;
	u8 exe[PATH];
	u8 argv[ARGV];
};

struct link {
	u32 pid;
	char comm[COMM];
};

/* Who sent a signal that ends its target unless something comes between. */
struct killer {
	u64 cgroup;
	u32 pid;
	u32 uid;
	s32 code;
	u16 signal;
	u16 weak; /* blocked or traced: a later one may replace it */
	char comm[COMM];
	u16 exe_len;
	u16 exe_cut;
	u32 links;
	struct link chain[CHAIN];
	u8 exe[PATH];
};

enum { KILLER_HEAD = 48, SEEDED = 1 };

/* The verdict on one victim. */
struct oom {
	u16 memcg;
	u16 cut;
	u16 names_len;
	u16 unused;
	u8 names[PATH];
};

/* Begins every record. */
struct head {
	u16 kind;
	u16 flags;
	u32 len;
};

struct cgroup_record {
	struct head head;
	u64 id;
	u16 cut;
	u16 names_len;
	u32 unused;
	u8 names[PATH];
};

enum { CGROUP_HEAD = 24 };

/* After this: exe, argv, and where flags say so the killer (head, exe, links) and the cgroup of the
 * limit that was reached. */
struct exit_record {
	struct head head;
	u64 ino;
	u64 start_ns;
	u64 end_ns;
	u64 utime_ns;
	u64 stime_ns;
	u64 runtime_ns;
	u64 maxrss_pages;
	u64 read_bytes;
	u64 write_bytes;
	u64 nvcsw;
	u64 nivcsw;
	u64 cgroup;
	u32 tgid;
	u32 ppid;
	u32 uid;
	u32 gid;
	s32 status;
	u16 exe_len;
	u16 argv_len;
	u16 killer_exe_len;
	u16 killer_links;
	u16 oom_len;
	u16 unused;
	char comm[COMM];
	char parent_comm[COMM];
};

enum {
	EXIT_HEAD = 168,
	EXIT_MAX = EXIT_HEAD + PATH + ARGV + KILLER_HEAD + PATH + 20 * CHAIN + PATH,
	SCRATCH = 4096,
};

_Static_assert(sizeof(struct exit_record) == EXIT_HEAD, "as in wire.rs");
_Static_assert(__builtin_offsetof(struct killer, chain) == KILLER_HEAD, "as in wire.rs");
_Static_assert(__builtin_offsetof(struct cgroup_record, names) == CGROUP_HEAD, "as in wire.rs");
_Static_assert(sizeof(struct image) == 24 + PATH + ARGV, "as in wire.rs");
_Static_assert(EXIT_MAX <= SCRATCH, "a record fits");

#endif
