//! The options of `pidwait`, as they are typed.

use crate::names::getopt::Flag;

pub(super) const USAGE: &str = "
Usage:
 pidwait [options] <pattern>

Options:
 -e, --echo                say which processes are waited for
 -c, --count               say how many processes match
 -f, --full                match the pattern against the command line
 -g, --pgroup <PGID,...>   those in these process groups; 0 is our own
 -G, --group <GID,...>     those of these real groups
 -i, --ignore-case         match A with a
 -n, --newest              only the one that started last
 -o, --oldest              only the one that started first
 -O, --older <seconds>     those that started so long ago
 -p, --pid <PID,...>       those with these pids
 -P, --parent <PPID,...>   the children of these
 -s, --session <SID,...>   those in these sessions; 0 is our own
     --signal <sig>        the signal for --require-handler
 -t, --terminal <tty,...>  those on these terminals
 -u, --euid <ID,...>       those of these effective users
 -U, --uid <ID,...>        those of these real users
 -v, --inverse             those that do not match
 -x, --exact               match the whole name or command line
 -F, --pidfile <file>      the one whose pid is in this file; - is standard input
 -L, --logpidfile          fail if that file is not locked
 -r, --runstates <state>   those in these states [D,S,Z,...]
 -A, --ignore-ancestors    not the processes that started us
 -H, --require-handler     those that handle the signal themselves
     --cgroup <grp,...>    those in these cgroups (v2)
     --ns <PID>            those in the same namespaces as this process
     --nslist <ns,...>     compare only these namespaces:
                           cgroup, ipc, mnt, net, pid, time, user, uts
     --env <name=val,...>  those with one of these environment variables

 -h, --help                display this help
 -V, --version             display version

For more details see exithand-names(7).
";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Ancestors,
    Cgroup,
    Count,
    Echo,
    Env,
    Euid,
    Exact,
    Full,
    Group,
    Handler,
    Help,
    IgnoreCase,
    Inverse,
    Lock,
    Newest,
    Ns,
    NsList,
    Older,
    Oldest,
    Parent,
    Pgroup,
    Pid,
    Pidfile,
    RunStates,
    Session,
    Signal,
    Terminal,
    Threads,
    Uid,
    Usage,
    Version,
    /// An option of another tool, by that and its own name.
    Foreign(&'static str, &'static str),
}

pub(super) const FLAGS: &[Flag<Key>] = &[
    Flag::value(Key::Signal, None, "signal"),
    Flag::alone(Key::Ancestors, Some(b'A'), "ignore-ancestors"),
    Flag::alone(Key::Handler, Some(b'H'), "require-handler"),
    Flag::alone(Key::Count, Some(b'c'), "count"),
    Flag::value(Key::Cgroup, None, "cgroup"),
    Flag::value(Key::Foreign("pgrep", "delimiter"), None, "delimiter"),
    Flag::alone(Key::Foreign("pgrep", "list-name"), None, "list-name"),
    Flag::alone(Key::Foreign("pgrep", "list-full"), None, "list-full"),
    Flag::alone(Key::Full, Some(b'f'), "full"),
    Flag::value(Key::Pgroup, Some(b'g'), "pgroup"),
    Flag::value(Key::Group, Some(b'G'), "group"),
    Flag::alone(Key::IgnoreCase, Some(b'i'), "ignore-case"),
    Flag::alone(Key::Newest, Some(b'n'), "newest"),
    Flag::alone(Key::Oldest, Some(b'o'), "oldest"),
    Flag::value(Key::Older, Some(b'O'), "older"),
    Flag::value(Key::Pid, Some(b'p'), "pid"),
    Flag::value(Key::Parent, Some(b'P'), "parent"),
    Flag::value(Key::Session, Some(b's'), "session"),
    Flag::value(Key::Terminal, Some(b't'), "terminal"),
    Flag::value(Key::Euid, Some(b'u'), "euid"),
    Flag::value(Key::Uid, Some(b'U'), "uid"),
    Flag::alone(Key::Inverse, Some(b'v'), "inverse"),
    Flag::alone(Key::Threads, None, "lightweight"),
    Flag::alone(Key::Exact, Some(b'x'), "exact"),
    Flag::value(Key::Pidfile, Some(b'F'), "pidfile"),
    Flag::alone(Key::Lock, Some(b'L'), "logpidfile"),
    Flag::alone(Key::Echo, Some(b'e'), "echo"),
    Flag::value(Key::Ns, None, "ns"),
    Flag::value(Key::NsList, None, "nslist"),
    Flag::value(Key::Foreign("pkill", "queue"), None, "queue"),
    Flag::value(Key::RunStates, Some(b'r'), "runstates"),
    Flag::value(Key::Env, None, "env"),
    Flag::alone(Key::Foreign("pgrep", "shell-quote"), None, "shell-quote"),
    Flag::alone(Key::Foreign("pkill", "mrelease"), None, "mrelease"),
    Flag::alone(Key::Usage, Some(b'?'), ""),
    Flag::alone(Key::Help, Some(b'h'), "help"),
    Flag::alone(Key::Version, Some(b'V'), "version"),
];
