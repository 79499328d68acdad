//! The selector flags that `wait`, `kill` and `id` share.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{ArgGroup, Args};
use exithand::{ExitHandle, State};
use rustix::process::Pid;

use super::cgroup::parse_mounts;
use super::{
    Ancestors, Case, CgroupChoice, Detail, Extent, Facts, Gid, Lock, Pattern, Patterns, Pick,
    ProcPid, Root, Selector, Uid, names, read_pidfile,
};

/// The flags that select something, as a group: `SELECTING` is what `requires` takes.
const SELECTING: &str = "selecting";

/// Flags that say which processes are meant, instead of naming them.
///
/// All flags that select are in the clap group `selecting`.
#[derive(Debug, Clone, Default, Args)]
#[command(
    next_help_heading = "Select processes",
    group = ArgGroup::new(SELECTING).multiple(true).args([
        "name", "full", "user", "group", "parent", "tree", "session", "tty", "cgroup", "pidfile",
    ]),
    group = ArgGroup::new("pattern").multiple(true).args(["name", "full"])
)]
#[group(skip)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
pub struct SelectArgs {
    /// Those whose name matches
    ///
    /// The name is the file name of the program, cut to 15 bytes, unless the process changed it.
    /// The expression matches any part of it; see --exact. Give the flag again for another name.
    #[arg(long, value_name = "REGEX")]
    pub name: Vec<Pattern>,

    /// Those whose command line matches
    ///
    /// The arguments are taken with one blank between them. Kernel threads and zombies have no
    /// arguments; their name in square brackets stands in.
    #[arg(long, value_name = "REGEX")]
    pub full: Vec<Pattern>,

    /// Match the whole name or command line, not a part of it
    #[arg(long, requires = "pattern")]
    pub exact: bool,

    /// Those of this effective user
    ///
    /// Names or numbers, with commas between them.
    #[arg(long, value_name = "USER", value_delimiter = ',', value_parser = names::user)]
    pub user: Vec<Uid>,

    /// Those of this real group
    ///
    /// Names or numbers, with commas between them.
    #[arg(long, value_name = "GROUP", value_delimiter = ',', value_parser = names::group)]
    pub group: Vec<Gid>,

    /// The children of this process
    ///
    /// Pids, with commas between them; 0 is for processes without a parent.
    #[arg(long, value_name = "PID", value_delimiter = ',', value_parser = names::number)]
    pub parent: Vec<ProcPid>,

    /// This process and all its descendants
    ///
    /// Pids, with commas between them. Descendants whose parents have ended belong to another
    /// tree, usually that of init: Linux forgets where they came from.
    #[arg(long, value_name = "PID", value_delimiter = ',', value_parser = names::pid)]
    pub tree: Vec<Pid>,

    /// Those of this session
    ///
    /// Session ids, with commas between them; 0 is for our own session.
    #[arg(long, value_name = "SID", value_delimiter = ',', value_parser = names::number)]
    pub session: Vec<ProcPid>,

    /// Those on this terminal
    ///
    /// Names such as pts/0, with or without /dev/, and with commas between them; ? is for
    /// processes without a terminal.
    #[arg(long, value_name = "TTY", value_delimiter = ',')]
    pub tty: Vec<OsString>,

    /// Those in this cgroup or below
    ///
    /// A cgroup such as /system.slice, of version 2 or any controller of version 1; or a directory
    /// below /sys/fs/cgroup. Give the flag again for another cgroup.
    #[arg(long, value_name = "PATH")]
    pub cgroup: Vec<OsString>,

    /// The one whose pid is in the first line of this file
    ///
    /// - is for standard input. Give the flag again for another file.
    #[arg(long, value_name = "FILE")]
    pub pidfile: Vec<PathBuf>,

    /// Only the one that started last
    #[arg(long, requires = SELECTING, conflicts_with = "oldest")]
    pub newest: bool,

    /// Only the one that started first
    #[arg(long, requires = SELECTING)]
    pub oldest: bool,

    /// Never the processes that started us
    ///
    /// Useful with --full under sudo or in a script, whose own command line may match. Our own
    /// process never matches.
    #[arg(long, requires = SELECTING)]
    pub ignore_ancestors: bool,
}

/// The process that `--tree` names does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no process with pid {}, whose tree was asked for", .0.as_raw_nonzero())]
pub struct NoSuchTree(
    /// The pid that was given.
    pub Pid,
);

/// A tree or a cgroup as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whole<'a> {
    /// The trees of these processes.
    Trees(&'a [Pid]),
    /// This cgroup.
    Cgroup(&'a OsStr),
}

impl SelectArgs {
    /// Returns what the flags select; `None` if there are none.
    ///
    /// Reads the pid files, and looks up the trees and cgroups in `/proc`.
    ///
    /// # Errors
    ///
    /// [`NoSuchTree`], [`PidfileError`](super::PidfileError), [`CgroupError`](super::CgroupError),
    /// [`PatternError`](super::PatternError), or what made `/proc` unreadable.
    pub fn selector(&self) -> anyhow::Result<Option<Selector>> {
        if !self.is_selecting() {
            return Ok(None);
        }
        let pids: Result<_, _> = self
            .pidfile
            .iter()
            .map(|it| read_pidfile(it, Lock::Ignored))
            .collect();
        let trees: Result<_, _> = self.tree.iter().map(|pid| find_root(*pid)).collect();
        Ok(Some(Selector {
            names: self.patterns(&self.name)?,
            full: self.patterns(&self.full)?,
            pids: pids?,
            users: self.user.clone(),
            groups: self.group.clone(),
            parents: self.parent.clone(),
            trees: trees?,
            sessions: sessions(&self.session)?,
            ttys: self.tty.iter().map(|word| terminal(word)).collect(),
            cgroups: cgroups(&self.cgroup)?,
            pick: match (self.newest, self.oldest) {
                (true, _) => Pick::Newest,
                (_, true) => Pick::Oldest,
                _ => Pick::All,
            },
            ancestors: if self.ignore_ancestors {
                Ancestors::Excluded
            } else {
                Ancestors::Included
            },
            ..Selector::default()
        }))
    }

    /// Returns the tree or cgroup that is all these flags ask for: `kill` then means everybody in
    /// it, not those found in it at one moment. `None` where they ask for more, or for less.
    pub fn whole(&self) -> Option<Whole<'_>> {
        let rest = Self {
            tree: Vec::new(),
            cgroup: Vec::new(),
            ..self.clone()
        };
        if rest.is_selecting() || self.newest || self.oldest || self.ignore_ancestors {
            return None;
        }
        match (&self.tree[..], &self.cgroup[..]) {
            (trees @ [_, ..], []) => Some(Whole::Trees(trees)),
            ([], [path]) => Some(Whole::Cgroup(path)),
            _ => None,
        }
    }

    fn is_selecting(&self) -> bool {
        !(self.name.is_empty()
            && self.full.is_empty()
            && self.user.is_empty()
            && self.group.is_empty()
            && self.parent.is_empty()
            && self.tree.is_empty()
            && self.session.is_empty()
            && self.tty.is_empty()
            && self.cgroup.is_empty()
            && self.pidfile.is_empty())
    }

    fn patterns(&self, sources: &[Pattern]) -> anyhow::Result<Option<Patterns>> {
        if sources.is_empty() {
            return Ok(None);
        }
        let extent = if self.exact {
            Extent::Whole
        } else {
            Extent::Part
        };
        Ok(Some(Patterns::new(
            sources.to_vec(),
            extent,
            Case::Distinct,
        )?))
    }
}

/// Finds the top of a tree, and what tells it from a later process of the same pid.
fn find_root(pid: Pid) -> anyhow::Result<Root> {
    let handle = match ExitHandle::open(pid) {
        Err(error) if error.is_gone() => return Err(NoSuchTree(pid).into()),
        opened => opened?,
    };
    let facts = Facts::read(pid, Detail::Brief).context("cannot read /proc")?;
    if handle.state()? == State::Reaped {
        return Err(NoSuchTree(pid).into());
    }
    let pid_text = pid.as_raw_nonzero();
    let facts =
        facts.with_context(|| format!("process {pid_text} is hidden in /proc (hidepid)"))?;
    Ok(Root {
        pid,
        start_ticks: facts.start_ticks,
    })
}

fn sessions(numbers: &[ProcPid]) -> anyhow::Result<Vec<ProcPid>> {
    if numbers.iter().all(Option::is_some) {
        return Ok(numbers.to_vec());
    }
    let own = Facts::own().context("cannot read /proc")?;
    Ok(names::own_when_zero(numbers, own.session))
}

/// Reads the name of a terminal; `?`, as `ps` shows it, is none.
fn terminal(word: &OsStr) -> Option<OsString> {
    match word.as_bytes() {
        b"?" => None,
        name => {
            let name = name.strip_prefix(b"/dev/").unwrap_or(name);
            Some(OsStr::from_bytes(name).to_owned())
        }
    }
}

fn cgroups(words: &[OsString]) -> anyhow::Result<Vec<CgroupChoice>> {
    if words.is_empty() {
        return Ok(Vec::new());
    }
    let mountinfo =
        std::fs::read("/proc/self/mountinfo").context("cannot find the cgroup mounts")?;
    let mounts = parse_mounts(&mountinfo);
    let choose = |word: &OsString| {
        // Some controllers are mounted under one name and known by a symbolic link.
        let real = std::fs::canonicalize(word)
            .ok()
            .filter(|_| word.as_bytes().starts_with(b"/"));
        CgroupChoice::resolve(
            word,
            real.as_deref().map_or(word, |it| it.as_os_str()),
            &mounts,
        )
    };
    Ok(words.iter().map(choose).collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        select: SelectArgs,
    }

    fn args(words: &[&str]) -> Result<SelectArgs, clap::Error> {
        Cli::try_parse_from([&["x"], words].concat()).map(|cli| cli.select)
    }

    fn selector(words: &[&str]) -> Selector {
        args(words).unwrap().selector().unwrap().unwrap()
    }

    #[test]
    fn no_flag_is_no_selector() {
        assert!(args(&[]).unwrap().selector().unwrap().is_none());
    }

    #[test]
    fn kinds_combine_and_lists_may_have_commas() {
        let it = selector(&[
            "--name",
            "cat",
            "--name",
            "dog",
            "--full",
            "x,y",
            "--exact",
            "--user",
            "root,1",
            "--group",
            "0",
            "--parent",
            "0,42",
            "--session",
            "7",
            "--tty",
            "/dev/pts/1,?",
            "--cgroup",
            "/a,b",
            "--newest",
            "--ignore-ancestors",
        ]);
        assert!(it.names.is_some() && it.full.is_some());
        assert_eq!(it.users, [0, 1]);
        assert_eq!(it.groups, [0]);
        assert_eq!(it.parents, [None, Pid::from_raw(42)]);
        assert_eq!(it.sessions, [Pid::from_raw(7)]);
        assert_eq!(it.ttys, [Some("pts/1".into()), None]);
        assert_eq!(it.cgroups[0].names, [b"a,b"], "a comma is part of the path");
        assert_eq!((it.pick, it.ancestors), (Pick::Newest, Ancestors::Excluded));
    }

    #[test]
    fn a_tree_or_cgroup_alone_is_meant_as_a_whole() {
        let whole = |words: &[&str]| args(words).unwrap().whole().map(|it| format!("{it:?}"));
        assert!(whole(&["--tree", "7,8"]).unwrap().starts_with("Trees"));
        assert!(whole(&["--cgroup", "/x"]).unwrap().starts_with("Cgroup"));
        for words in [
            &["--name", "x"][..],
            &["--tree", "7", "--name", "x"],
            &["--tree", "7", "--cgroup", "/x"],
            &["--tree", "7", "--newest"],
            &["--cgroup", "/x", "--cgroup", "/y"],
        ] {
            assert_eq!(whole(words), None, "{words:?}");
        }
    }

    #[test]
    fn prints_what_was_asked_for() {
        let words = [
            "--name", "a b", "--exact", "--user", "0,1", "--tree", "7", "--newest",
        ];
        let expected = "--name 'a b' --exact --user 0,1 --tree 7 --newest";
        assert_eq!(args(&words).unwrap().to_string(), expected);
    }

    #[test]
    fn session_0_is_our_own() {
        let own = Facts::own().unwrap().session;
        assert_eq!(selector(&["--session", "0"]).sessions, [own]);
    }

    #[test]
    fn a_tree_needs_a_process() {
        let own = rustix::process::getpid();
        let text = own.as_raw_nonzero().to_string();
        assert_eq!(selector(&["--tree", &text]).trees[0].pid, own);
        let error = args(&["--tree", "2147483647"])
            .unwrap()
            .selector()
            .unwrap_err();
        let expected = NoSuchTree(Pid::from_raw(i32::MAX).unwrap());
        assert_eq!(error.downcast_ref(), Some(&expected));
    }

    #[test]
    fn wrong_words_are_usage_errors_that_name_flag_and_word() {
        for (words, parts) in [
            (
                &["--name", "a(b"][..],
                &["--name <REGEX>", "a(b\n     ^", "unclosed group"][..],
            ),
            (&["--full", ""], &["--full <REGEX>", "every process"]),
            (
                &["--user", "root,no-such"],
                &["--user <USER>", "no user is called \"no-such\""],
            ),
            (
                &["--group", "no-such"],
                &["--group <GROUP>", "no group is called"],
            ),
            (&["--tree", "0"], &["--tree <PID>", "\"0\" is no pid"]),
            (&["--parent=-1"], &["--parent <PID>", "\"-1\" is no number"]),
            (
                &["--session", "x"],
                &["--session <SID>", "\"x\" is no number"],
            ),
            (&["--exact"], &["--name <REGEX>", "--full <REGEX>"]),
            (&["--newest"], &["--name <REGEX>", "--pidfile <FILE>"]),
            (
                &["--name", "x", "--newest", "--oldest"],
                &["--newest", "--oldest"],
            ),
        ] {
            let error = args(words).expect_err(words[0]);
            assert_eq!(error.exit_code(), 2);
            for part in parts {
                assert!(error.to_string().contains(part), "{words:?}: {error}");
            }
        }
    }

    #[test]
    fn a_directory_beside_the_hierarchies_is_no_cgroup() {
        let error = args(&["--cgroup", ""]).unwrap().selector().unwrap_err();
        assert!(error.to_string().contains("empty"), "{error}");
    }
}
