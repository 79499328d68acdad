/* Sees every process of the machine end, and who ended it.
 *
 * Compiled twice: for tp_btf, where the verifier knows the types and fields are plain loads, and
 * with -DRAW for raw_tp, where every load is a checked read. No kprobes, no tracefs: a kernel may
 * have neither.
 */
#include "kernel.h"
#include "record.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#ifdef RAW
#define POINT(name) SEC("raw_tp/" name)
#define GET(p, field) PEEK(p, field)
#define CURRENT() ((struct task_struct *)bpf_get_current_task())
#else
#define POINT(name) SEC("tp_btf/" name)
#define GET(p, field) ((p)->field)
#define CURRENT() bpf_get_current_task_btf()
#endif

/* A read of memory whose type the verifier does not know; 0 where there is none. */
#define PEEK(p, field)                                               \
	({                                                           \
		typeof((p)->field) value = 0;                        \
		bpf_core_read(&value, sizeof(value), &(p)->field);   \
		value;                                               \
	})

#define PF_FORKNOEXEC 0x00000040
#define PF_KTHREAD 0x00200000
#define SIGNAL_GROUP_EXIT 0x4
#define SI_KERNEL 0x80
#define SIGKILL 9
#define TICK_NS 10000000

/* Decided by the loader. */
const volatile u32 exit_tells_group_dead = 0;
const volatile u64 wake_at_bytes = 0;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 23);
} ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LOSSES);
	__type(key, u32);
	__type(value, u64);
} losses SEC(".maps");

enum scratches {
	SCRATCH_EXIT,
	SCRATCH_EXIT_IMAGE,
	SCRATCH_EXEC,
	SCRATCH_SIGNAL,
	SCRATCH_SIGNAL_SPARE,
	SCRATCH_VICTIM,
	SCRATCHES,
};

/* One for each use: one program may interrupt another, never itself. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SCRATCHES);
	__type(key, u32);
	__type(value, u8[SCRATCH]);
} scratch SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct key);
	__type(value, struct image);
} images SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct key);
	__type(value, struct killer);
} killers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 512);
	__type(key, struct key);
	__type(value, struct oom);
} victims SEC(".maps");

/* The cgroups whose path has been handed over. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, u64);
	__type(value, u8);
} known_cgroups SEC(".maps");

/* How often each cgroup's limit had allowed no more when that was last looked at. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, u64);
	__type(value, u64);
} limit_hits SEC(".maps");

/* The processes whose end has been told, where two threads may both find themselves the last. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct key);
	__type(value, u8);
} claims SEC(".maps");

static __always_inline void count_loss(u32 cause)
{
	u64 *count = bpf_map_lookup_elem(&losses, &cause);

	if (count)
		*count += 1;
}

static __always_inline void *scratch_of(u32 program)
{
	return bpf_map_lookup_elem(&scratch, &program);
}

/* Hands over one record. The ring wakes a reader that had caught up; one that is late on purpose is
 * called again when the ring begins to fill. */
static __always_inline long hand_over(void *record, u64 len, u32 cause)
{
	u64 before = bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA);
	u64 wake = 0;
	long err;

	if (before < wake_at_bytes && before + len >= wake_at_bytes)
		wake = BPF_RB_FORCE_WAKEUP;
	err = bpf_ringbuf_output(&ring, record, len, wake);
	if (err)
		count_loss(cause);
	return err;
}

static __always_inline struct kernfs_node *parent_of(struct kernfs_node *kn)
{
	if (bpf_core_field_exists(((struct kernfs_node___hidden *)0)->__parent))
		return PEEK((struct kernfs_node___hidden *)kn, __parent);
	return PEEK((struct kernfs_node___public *)kn, parent);
}

/* Appends one name. The length is kept in memory, and read anew each time: so to the verifier all
 * rounds of a loop look alike, and it has to follow only one. */
static __always_inline int add_name(u8 *names, volatile u16 *len, const void *name)
{
	u64 at = *len;
	long n;

	if (at > PATH_SOFT)
		return -1;
	n = bpf_probe_read_kernel_str(names + at, NAME, name);
	if (n <= 0 || n > NAME)
		return -1;
	*len = at + n;
	return 0;
}

/* Writes the names from `kn` up to the root of its hierarchy. */
static __always_inline void cgroup_names(struct kernfs_node *kn, u8 *names, u16 *len, u16 *cut)
{
	*len = 0;
	*cut = 0;
	for (int i = 0; i < DEPTH; i++) {
		struct kernfs_node *parent = parent_of(kn);

		if (!parent)
			return;
		if (add_name(names, len, PEEK(kn, name)))
			break;
		kn = parent;
	}
	*cut = 1;
}

/* Hands over the path of a cgroup, once. Later the cgroup may be gone. */
static __always_inline u64 note_cgroup(struct task_struct *task, struct cgroup_record *record)
{
	struct css_set *set = GET(task, cgroups);
	struct cgroup *cgroup = GET(set, dfl_cgrp);
	struct kernfs_node *kn = GET(cgroup, kn);
	u64 id = GET(kn, id);
	u64 len;
	u8 yes = 1;

	if (bpf_map_lookup_elem(&known_cgroups, &id))
		return id;
	record->head.kind = KIND_CGROUP;
	record->head.flags = 0;
	record->id = id;
	record->unused = 0;
	cgroup_names(kn, record->names, &record->names_len, &record->cut);
	len = *(volatile u16 *)&record->names_len;
	if (len > PATH)
		return id;
	record->head.len = CGROUP_HEAD + len;
	if (!hand_over(record, CGROUP_HEAD + len, LOST_CGROUP))
		bpf_map_update_elem(&known_cgroups, &id, &yes, BPF_ANY);
	return id;
}

/* Writes the names from a file up to the root of its mount namespace. */
static __always_inline void file_names(struct file *file, u8 *names, u16 *len, u16 *cut)
{
	struct dentry *dentry = PEEK(file, f_path.dentry);
	struct vfsmount *vfsmount = PEEK(file, f_path.mnt);
	struct mount *mount =
		(void *)vfsmount - bpf_core_field_offset(((struct mount *)0)->mnt);

	*len = 0;
	*cut = 0;
	for (int i = 0; i < DEPTH; i++) {
		struct dentry *parent = PEEK(dentry, d_parent);

		if (dentry == PEEK(mount, mnt.mnt_root) || dentry == parent) {
			struct mount *above = PEEK(mount, mnt_parent);

			if (above == mount || !above)
				return;
			dentry = PEEK(mount, mnt_mountpoint);
			mount = above;
			continue;
		}
		if (add_name(names, len, PEEK(dentry, d_name.name)))
			break;
		dentry = parent;
	}
	*cut = 1;
}

/* Reads what the current process executes out of its own memory. */
static __always_inline void read_image(struct mm_struct *mm, struct image *image)
{
	u64 start = PEEK(mm, arg_start);
	u64 len = PEEK(mm, arg_end) - start;
	struct file *file = PEEK(mm, exe_file);

	image->file = (u64)file;
	image->arg_start = start;
	image->argv_cut = 0;
	file_names(file, image->exe, &image->exe_len, &image->exe_cut);
	if (len > ARGV) {
		len = ARGV;
		image->argv_cut = 1;
	}
	if (bpf_probe_read_user(image->argv, len, (void *)start))
		len = 0;
	image->argv_len = len;
}

static __always_inline struct key key_of(struct task_struct *leader)
{
	struct key key = {
		.tgid = GET(leader, tgid),
		.start_ns = GET(leader, start_boottime),
	};
	return key;
}

/* Finds what was seen at exec, or by the loader for a process that is older than the probes. It
 * knows start times only in clock ticks. */
static __always_inline struct image *seen_image(struct key *key)
{
	struct image *image = bpf_map_lookup_elem(&images, key);
	struct key seeded = {
		.tgid = key->tgid,
		.signal = SEEDED,
		.start_ns = key->start_ns / TICK_NS * TICK_NS,
	};

	if (image || exit_tells_group_dead)
		return image;
	return bpf_map_lookup_elem(&images, &seeded);
}

/* Whether both execute the same: a child that never executed anything, and its parent. */
static __always_inline int is_same_image(struct mm_struct *mm, struct mm_struct *of_parent)
{
	return of_parent && GET(of_parent, arg_start) == GET(mm, arg_start) &&
	       GET(of_parent, exe_file) == GET(mm, exe_file);
}

/* Finds what the current process executed: seen at exec, or had from its parent, or, where its
 * memory is still there, read now. What is read is kept for the parent's other children. */
static __always_inline struct image *find_image(struct task_struct *task, struct task_struct *leader,
						struct key *key, struct image *fresh)
{
	struct mm_struct *mm = GET(task, mm);
	struct image *image = 0;
	struct task_struct *parent;
	struct key of_parent;

	/* Who never executed anything has its parent's. */
	if (!mm || !(GET(leader, flags) & PF_FORKNOEXEC))
		image = seen_image(key);
	if (image || !mm)
		return image;
	parent = GET(leader, real_parent);
	parent = GET(parent, group_leader);
	of_parent = key_of(parent);
	image = seen_image(&of_parent);
	if (image && image->arg_start == GET(mm, arg_start) &&
	    (!image->file || image->file == (u64)GET(mm, exe_file)))
		return image;
	read_image(mm, fresh);
	if (!image && is_same_image(mm, GET(parent, mm)))
		bpf_map_update_elem(&images, &of_parent, fresh, BPF_NOEXIST);
	return fresh;
}

/* The rule that wait(2) follows. */
static __always_inline s32 status_of(struct task_struct *leader, struct signal_struct *signal)
{
	if (GET(signal, flags) & SIGNAL_GROUP_EXIT)
		return GET(signal, group_exit_code);
	return GET(leader, exit_code);
}

/* Threads that ended are in `signal`, but for the last one and a leader nobody has reaped yet. */
static __always_inline void add_usage(struct exit_record *record, struct task_struct *task)
{
	record->utime_ns += GET(task, utime);
	record->stime_ns += GET(task, stime);
	record->runtime_ns += GET(task, se.sum_exec_runtime);
	record->read_bytes += GET(task, ioac.read_bytes);
	record->write_bytes += GET(task, ioac.write_bytes);
	record->nvcsw += GET(task, nvcsw);
	record->nivcsw += GET(task, nivcsw);
}

static __always_inline void fill_usage(struct exit_record *record, struct task_struct *task,
				       struct task_struct *leader, struct signal_struct *signal)
{
	record->utime_ns = GET(signal, utime);
	record->stime_ns = GET(signal, stime);
	record->runtime_ns = GET(signal, sum_sched_runtime);
	record->maxrss_pages = GET(signal, maxrss);
	record->read_bytes = GET(signal, ioac.read_bytes);
	record->write_bytes = GET(signal, ioac.write_bytes);
	record->nvcsw = GET(signal, nvcsw);
	record->nivcsw = GET(signal, nivcsw);
	add_usage(record, task);
	if (leader != task)
		add_usage(record, leader);
}

static __always_inline void fill_identity(struct exit_record *record, struct task_struct *task,
					  struct task_struct *leader)
{
	struct pid *pid = GET(leader, thread_pid);
	u64 level = GET(pid, level);
	struct cred *cred = GET(task, cred);
	struct task_struct *parent = GET(leader, real_parent);
	struct upid *own;

	/* Out of the compiler's sight, so that older verifiers see the bound; namespaces nest 32 levels deep. */
	asm volatile("" : "+r"(level));
	level &= 63;
	own = (void *)pid + bpf_core_field_offset(((struct pid *)0)->numbers) +
	      level * bpf_core_type_size(struct upid);
	record->ino = 0;
	if (bpf_core_field_exists(((struct pid___inode *)0)->ino))
		record->ino = GET((struct pid___inode *)pid, ino);
	if (level > 0 && PEEK(own, nr) == 1)
		record->head.flags |= FLAG_NAMESPACE_INIT;
	record->tgid = GET(leader, tgid);
	record->uid = GET(cred, uid.val);
	record->gid = GET(cred, gid.val);
	bpf_core_read(record->comm, COMM, &leader->comm);
	parent = GET(parent, group_leader);
	record->ppid = GET(parent, tgid);
	bpf_core_read(record->parent_comm, COMM, &parent->comm);
}

static __always_inline u64 append(u8 *record, u64 at, const void *from, u64 len, u64 max)
{
	/* Out of the compiler's sight, so that the verifier sees the comparison. */
	asm volatile("" : "+r"(len));
	if (len > max)
		return at;
	bpf_probe_read_kernel(record + at, len, from);
	return at + len;
}

static __always_inline u64 append_killer(struct exit_record *record, u64 at, struct key *key)
{
	struct key by_signal = *key;
	struct killer *killer;
	u8 *bytes = (u8 *)record;

	by_signal.signal = record->status & 0x7f;
	killer = bpf_map_lookup_elem(&killers, &by_signal);
	if (!killer)
		return at;
	record->head.flags |= FLAG_KILLER;
	if (killer->exe_cut)
		record->head.flags |= FLAG_KILLER_EXE_CUT;
	record->killer_exe_len = killer->exe_len;
	record->killer_links = killer->links;
	at = append(bytes, at, killer, KILLER_HEAD, KILLER_HEAD);
	at = append(bytes, at, killer->exe, killer->exe_len, PATH);
	at = append(bytes, at, killer->chain, killer->links * sizeof(struct link),
		    sizeof(killer->chain));
	bpf_map_delete_elem(&killers, &by_signal);
	return at;
}

static __always_inline u64 append_oom(struct exit_record *record, u64 at, struct key *key)
{
	struct oom *oom = bpf_map_lookup_elem(&victims, key);
	struct key by_pid = { .tgid = key->tgid };

	if (!oom) {
		oom = bpf_map_lookup_elem(&victims, &by_pid);
		if (!oom)
			return at;
	}
	record->head.flags |= FLAG_OOM;
	if (oom->memcg)
		record->head.flags |= FLAG_OOM_MEMCG;
	if (oom->cut)
		record->head.flags |= FLAG_OOM_CUT;
	record->oom_len = oom->names_len;
	at = append((u8 *)record, at, oom->names, oom->names_len, PATH);
	bpf_map_delete_elem(&victims, key);
	bpf_map_delete_elem(&victims, &by_pid);
	return at;
}

/* Two threads may both see that none is left; one of them gets the claim. */
static __always_inline int is_last(struct signal_struct *signal, struct key *key)
{
	u8 yes = 1;

	return !GET(signal, live.counter) &&
	       !bpf_map_update_elem(&claims, key, &yes, BPF_NOEXIST);
}

POINT("sched_process_exit")
int process_exit(u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	struct signal_struct *signal = GET(task, signal);
	struct task_struct *leader = GET(task, group_leader);
	struct key key;
	struct exit_record *record;
	struct image *image;
	u64 len = EXIT_HEAD;

	if (GET(task, flags) & PF_KTHREAD)
		return 0;
	if (exit_tells_group_dead && !(u8)ctx[1])
		return 0;
	key = key_of(leader);
	if (!exit_tells_group_dead && !is_last(signal, &key))
		return 0;
	record = scratch_of(SCRATCH_EXIT);
	if (!record)
		return 0;

	record->cgroup = note_cgroup(task, (void *)record);
	record->head.kind = KIND_EXIT;
	record->head.flags = 0;
	record->start_ns = key.start_ns;
	record->end_ns = bpf_ktime_get_boot_ns();
	record->status = status_of(leader, signal);
	record->exe_len = 0;
	record->argv_len = 0;
	record->killer_exe_len = 0;
	record->killer_links = 0;
	record->oom_len = 0;
	record->unused = 0;
	fill_identity(record, task, leader);
	fill_usage(record, task, leader, signal);

	image = scratch_of(SCRATCH_EXIT_IMAGE);
	if (!image)
		return 0;
	image = find_image(task, leader, &key, image);
	if (image) {
		record->head.flags |= FLAG_IMAGE;
		if (image->argv_cut)
			record->head.flags |= FLAG_ARGV_CUT;
		if (image->exe_cut)
			record->head.flags |= FLAG_EXE_CUT;
		record->exe_len = image->exe_len;
		record->argv_len = image->argv_len;
		len = append((u8 *)record, len, image->exe, image->exe_len, PATH);
		len = append((u8 *)record, len, image->argv, image->argv_len, ARGV);
	}
	if (record->status & 0x7f) {
		len = append_killer(record, len, &key);
		len = append_oom(record, len, &key);
	}
	record->head.len = len;
	hand_over(record, len, LOST_EXIT);
	if (bpf_map_lookup_elem(&images, &key))
		bpf_map_delete_elem(&images, &key);
	return 0;
}

POINT("sched_process_exec")
int process_exec(u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	struct task_struct *leader = GET(task, group_leader);
	struct image *image = scratch_of(SCRATCH_EXEC);
	struct key key = key_of(leader);

	if (!image)
		return 0;
	read_image(GET(task, mm), image);
	bpf_map_update_elem(&images, &key, image, BPF_ANY);
	return 0;
}

/* Only where memory is gone at exit: a child that never executes anything has its parent's image. */
POINT("sched_process_fork")
int process_fork(u64 *ctx)
{
	struct task_struct *parent = (void *)ctx[0];
	struct task_struct *child = (void *)ctx[1];
	struct key of_parent, of_child;
	struct image *image;

	if (GET(child, pid) != GET(child, tgid))
		return 0;
	parent = GET(parent, group_leader);
	of_parent = key_of(parent);
	image = seen_image(&of_parent);
	if (!image)
		return 0;
	of_child = key_of(child);
	bpf_map_update_elem(&images, &of_child, image, BPF_ANY);
	return 0;
}

/* Whether this signal does nothing by default. */
static __always_inline int harmless(u64 signal)
{
	/* CHLD, CONT, STOP, TSTP, TTIN, TTOU, URG, WINCH. */
	u64 mask = 1ULL << 17 | 1ULL << 18 | 1ULL << 19 | 1ULL << 20 | 1ULL << 21 | 1ULL << 22 |
		   1ULL << 23 | 1ULL << 28;

	return signal < 32 && (mask >> signal & 1);
}

enum fate {
	FATE_LIVES,
	FATE_MAY_END,
	FATE_ENDS,
};

/* What the signal will do to its target as things stand. */
static __always_inline enum fate fate_of(struct task_struct *target, u64 signal)
{
	struct sighand_struct *sighand = GET(target, sighand);
	struct k_sigaction *action;
	u64 index = signal - 1;

	if (signal == SIGKILL)
		return FATE_ENDS;
	if (signal == 0 || signal > 64 || harmless(signal))
		return FATE_LIVES;
	/* Out of the compiler's sight, so that older verifiers see the bound. */
	asm volatile("" : "+r"(index));
	index &= 63;
	action = (void *)sighand + bpf_core_field_offset(((struct sighand_struct *)0)->action) +
		 index * bpf_core_type_size(struct k_sigaction);
	if (PEEK(action, sa.sa_handler))
		return FATE_LIVES;
	if (GET(target, ptrace) || (PEEK(target, blocked.sig[0]) >> (signal - 1) & 1))
		return FATE_MAY_END;
	return FATE_ENDS;
}

static __always_inline void fill_chain(struct killer *killer, struct task_struct *task)
{
	u32 links = 0;

	for (int i = 0; i < CHAIN; i++) {
		task = GET(task, real_parent);
		task = GET(task, group_leader);
		if (!task || !GET(task, tgid))
			break;
		killer->chain[i].pid = GET(task, tgid);
		bpf_core_read(killer->chain[i].comm, COMM, &task->comm);
		links = i + 1;
	}
	killer->links = links;
}

/* The current process sent it. */
static __always_inline void fill_sender(struct killer *killer, struct task_struct *task,
					struct image *spare)
{
	struct task_struct *leader = GET(task, group_leader);
	struct cred *cred = GET(task, cred);
	struct key key = key_of(leader);
	struct image *image;

	killer->pid = key.tgid;
	killer->uid = GET(cred, uid.val);
	bpf_core_read(killer->comm, COMM, &leader->comm);
	fill_chain(killer, leader);
	killer->exe_len = 0;
	killer->exe_cut = 0;
	image = find_image(task, leader, &key, spare);
	if (image) {
		killer->exe_cut = image->exe_cut;
		killer->exe_len = image->exe_len;
		append((u8 *)killer, __builtin_offsetof(struct killer, exe), image->exe,
		       image->exe_len, PATH);
	}
}

/* Sent on nobody's behalf, in whatever context the kernel was. */
static __always_inline void fill_kernel(struct killer *killer)
{
	killer->pid = 0;
	killer->uid = 0;
	killer->cgroup = 0;
	killer->exe_len = 0;
	killer->exe_cut = 0;
	killer->links = 0;
	__builtin_memset(killer->comm, 0, COMM);
	__builtin_memcpy(killer->comm, "kernel", 6);
}

/* Whether `current` is who sent it, by how the signal says it was sent. */
static __always_inline int by_current(s32 code, struct task_struct *current, u32 target_tgid)
{
	/* SI_USER, SI_QUEUE, SI_TKILL, and below SI_DETHREAD what only rt_sigqueueinfo and its like
	 * send. Timers, message queues and I/O come from anywhere. */
	if (code == 0 || code == -1 || code == -6 || code < -7)
		return !(GET(current, flags) & PF_KTHREAD);
	/* A fault is what the process itself does. */
	return code > 0 && code != SI_KERNEL && (u32)GET(current, tgid) == target_tgid;
}

POINT("signal_generate")
int signal_generate(u64 *ctx)
{
	u64 signal = (u32)ctx[0];
	struct task_struct *target = (void *)ctx[2];
	u32 result = (u32)ctx[4];
	struct task_struct *leader, *sender;
	struct killer *killer, *before;
	enum fate fate;
	struct key key;
	u64 info = 0;

	/* Ignored, already pending, or no room for it. */
	if (result >= 1 && result <= 3)
		return 0;
	fate = fate_of(target, signal);
	if (fate == FATE_LIVES)
		return 0;
	leader = GET(target, group_leader);
	key = key_of(leader);
	key.signal = signal;
	before = bpf_map_lookup_elem(&killers, &key);
	if (before && !before->weak)
		return 0;
	killer = scratch_of(SCRATCH_SIGNAL);
	if (!killer)
		return 0;

	/* As a number: 0 and 1 are no addresses. */
	bpf_probe_read_kernel(&info, sizeof(info), &ctx[1]);
	killer->code = info == 0 ? 0 : SI_KERNEL;
	if (info > 1)
		killer->code = PEEK((struct kernel_siginfo *)info, si_code);
	killer->signal = signal;
	killer->weak = fate == FATE_MAY_END;
	sender = CURRENT();
	if (by_current(killer->code, sender, key.tgid)) {
		struct image *spare = scratch_of(SCRATCH_SIGNAL_SPARE);

		if (!spare)
			return 0;
		killer->cgroup = note_cgroup(sender, (void *)spare);
		fill_sender(killer, sender, spare);
	} else {
		fill_kernel(killer);
	}
	bpf_map_update_elem(&killers, &key, killer, BPF_ANY);
	return 0;
}

/* Whether the limit of this cgroup has allowed no more since that was last looked at. The kernel
 * counts it before it looks for a victim. */
static __always_inline int is_hit(struct mem_cgroup *memcg, struct cgroup *cgroup)
{
	u64 index = bpf_core_enum_value(enum memcg_memory_event, MEMCG_OOM);
	struct kernfs_node *kn = PEEK(cgroup, kn);
	u64 id = PEEK(kn, id);
	u64 hits = 0;
	u64 *seen = bpf_map_lookup_elem(&limit_hits, &id);

	bpf_probe_read_kernel(&hits, sizeof(hits),
			      (void *)memcg +
				      bpf_core_field_offset(memcg->memory_events_local) +
				      index * sizeof(atomic64_t));
	if (hits == (seen ? *seen : 0))
		return 0;
	bpf_map_update_elem(&limit_hits, &id, &hits, BPF_ANY);
	return 1;
}

/* Whether nearly all that the limit allows is in use: others may have given something back since. */
static __always_inline int is_full(struct mem_cgroup *memcg)
{
	u64 max = PEEK(memcg, memory.max);

	return (u64)PEEK(memcg, memory.usage.counter) + max / 16 + 128 > max;
}

/* Finds the cgroup whose limit was reached. Where cgroup v1 is built in the kernel locks it, and all
 * below it, against other verdicts while it looks for a victim; elsewhere there are only numbers. A
 * limit that was set below what is in use is one, too. */
static __always_inline struct cgroup *limit_of(struct task_struct *task)
{
	u64 index = bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id);
	struct css_set *set = PEEK(task, cgroups);
	struct cgroup_subsys_state **slot =
		(void *)set + bpf_core_field_offset(((struct css_set *)0)->subsys) +
		index * sizeof(void *);
	struct cgroup_subsys_state *css = 0, *reached = 0, *exceeded = 0;

	bpf_probe_read_kernel(&css, sizeof(css), slot);
	for (int i = 0; i < DEPTH && css; i++) {
		struct mem_cgroup *memcg = (void *)css;

		if (bpf_core_field_exists(memcg->oom_lock)) {
			if (PEEK(memcg, oom_lock))
				reached = css;
		} else if (is_full(memcg) && is_hit(memcg, PEEK(css, cgroup))) {
			reached = css;
		}
		if ((u64)PEEK(memcg, memory.usage.counter) > PEEK(memcg, memory.max))
			exceeded = css;
		css = PEEK(css, parent);
	}
	if (!reached)
		reached = exceeded;
	return reached ? PEEK(reached, cgroup) : 0;
}

static __always_inline void note_victim(struct key *key, struct task_struct *task)
{
	struct oom *oom = scratch_of(SCRATCH_VICTIM);
	struct cgroup *limit;

	if (!oom)
		return;
	limit = limit_of(task);
	oom->memcg = limit != 0;
	oom->cut = 0;
	oom->names_len = 0;
	if (limit)
		cgroup_names(PEEK(limit, kn), oom->names, &oom->names_len, &oom->cut);
	bpf_map_update_elem(&victims, key, oom, BPF_ANY);
}

POINT("mark_victim")
int mark_victim(u64 *ctx)
{
	struct task_struct *victim = (void *)ctx[0];
	struct task_struct *leader = GET(victim, group_leader);
	struct key key = key_of(leader);

	note_victim(&key, victim);
	return 0;
}

/* Before 6.8 the verdict names only a pid, and who allocates has to stand in for the victim: the
 * limit is above both. */
POINT("mark_victim")
int mark_victim_pid(u64 *ctx)
{
	struct key key = { .tgid = (u32)ctx[0] };

	note_victim(&key, CURRENT());
	return 0;
}

char _license[] SEC("license") = "Dual MIT/GPL";
