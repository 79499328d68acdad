//! Compares the skips that happened with those the table expects.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, bail};

use super::machine::{Kernel, Machine, User, capability};
use crate::sources;

/// The skips that are right, and the file that says so.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    file: &'static str,
    rows: Vec<Expectation>,
}

/// A skip that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Skip {
    pub(crate) test: String,
    pub(crate) reason: String,
}

/// What is skipped on machines of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Expectation {
    what: What,
    when: Vec<Condition>,
    why: String,
}

/// The first column.
#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    /// `PROGRAM::TEST`.
    Test(String),
    /// `need:KEY`: every test skipped for that reason.
    Need(String),
    /// `chance:KEY`: tests may be skipped for that reason, and may not.
    Chance(String),
}

/// One word of the `when` column.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Condition {
    fact: Fact,
    /// False for a word with a leading `!`.
    holds: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Fact {
    Always,
    Root,
    KernelBelow(Kernel),
    KernelFrom(Kernel),
    Capability(u64),
    File(PathBuf),
}

/// Which tests a run was to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coverage {
    /// All there are, so that a row without its test is out of date.
    Everything,
    /// Some of them.
    Part,
}

/// Reads the lines tests wrote; a test that was skipped twice is there once.
pub(crate) fn read(list: &str) -> Vec<Skip> {
    let mut skips: Vec<Skip> = Vec::new();
    for line in list.lines().filter(|it| !it.is_empty()) {
        let (test, reason) = line.split_once('\t').unwrap_or((line, "no reason given"));
        if !skips.iter().any(|it| it.test == test) {
            skips.push(Skip {
                test: test.to_owned(),
                reason: reason.to_owned(),
            });
        }
    }
    skips
}

/// Says which skips were not expected, and which expected ones did not happen.
pub(crate) fn faults(
    table: &Table,
    skips: &[Skip],
    ran: &BTreeSet<String>,
    machine: &Machine,
    coverage: Coverage,
) -> Vec<String> {
    let file = table.file;
    let expected: Vec<&Expectation> = table.rows.iter().filter(|it| it.fits(machine)).collect();
    let mut faults = Vec::new();
    for skip in skips
        .iter()
        .filter(|skip| !expected.iter().any(|it| it.covers(skip)))
    {
        let Skip { test, reason } = skip;
        faults.push(format!(
            "{test} was skipped ({reason}), which {file} does not expect on {machine}"
        ));
    }
    for row in expected
        .iter()
        .filter(|row| !skips.iter().any(|skip| row.covers(skip)))
    {
        let why = &row.why;
        match &row.what {
            What::Test(test) if ran.contains(test) => {
                faults.push(format!(
                    "{test} ran, while {file} expects a skip on {machine} ({why})"
                ));
            }
            What::Need(need) if coverage == Coverage::Everything => {
                faults.push(format!(
                    "no test was skipped for {need}, while {file} expects it on {machine} ({why})"
                ));
            }
            _ => {}
        }
    }
    if coverage == Coverage::Everything {
        let tests = table.rows.iter().filter_map(|it| match &it.what {
            What::Test(test) => Some(test),
            What::Need(_) | What::Chance(_) => None,
        });
        let gone = tests.filter(|it| !ran.contains(*it));
        faults.extend(gone.map(|it| format!("{file}: no test {it}")));
    }
    faults
}

impl Expectation {
    /// Whether `skip` is what the row speaks of.
    fn covers(&self, skip: &Skip) -> bool {
        match &self.what {
            What::Test(test) => skip.test == *test,
            What::Need(reason) | What::Chance(reason) => skip.reason == *reason,
        }
    }

    /// Whether the row speaks of `machine`.
    fn fits(&self, machine: &Machine) -> bool {
        self.when
            .iter()
            .all(|it| it.fact.is_true_of(machine) == it.holds)
    }

    /// The files the row asks about.
    fn files(&self) -> impl Iterator<Item = &Path> {
        self.when.iter().filter_map(|it| match &it.fact {
            Fact::File(path) => Some(path.as_path()),
            _ => None,
        })
    }
}

impl Fact {
    fn is_true_of(&self, machine: &Machine) -> bool {
        match self {
            Self::Always => true,
            Self::Root => machine.user == User::Root,
            Self::KernelBelow(kernel) => machine.kernel < *kernel,
            Self::KernelFrom(kernel) => machine.kernel >= *kernel,
            Self::Capability(bit) => machine.capabilities & bit != 0,
            Self::File(path) => machine.files.contains(path),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = match self.user {
            User::Root => "root",
            User::Other => "a user",
        };
        write!(
            f,
            "Linux {} as {user} (CapEff {:x})",
            self.kernel, self.capabilities
        )
    }
}

impl Table {
    /// The table for the machine that `cargo xtask test` runs on.
    pub(crate) fn of_hosts() -> anyhow::Result<Self> {
        let text = include_str!("../../expected-skips.tsv");
        Self::parse("xtask/expected-skips.tsv", text)
    }

    /// Reads the text of `file`: one expected skip a line.
    pub(crate) fn parse(file: &'static str, text: &str) -> anyhow::Result<Self> {
        let rows = parse(file, text)?;
        Ok(Self { file, rows })
    }

    /// The files the rows ask about.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Path> {
        self.rows.iter().flat_map(Expectation::files)
    }
}

fn parse(file: &str, text: &str) -> anyhow::Result<Vec<Expectation>> {
    sources::policy_lines(text)
        .map(|line| match line.split('\t').collect::<Vec<_>>()[..] {
            [what, when, why] => Ok(Expectation {
                what: match what.split_once(':') {
                    Some(("need", reason)) => What::Need(reason.to_owned()),
                    Some(("chance", reason)) => What::Chance(reason.to_owned()),
                    _ => What::Test(what.to_owned()),
                },
                when: when
                    .split_whitespace()
                    .map(str::parse)
                    .collect::<Result<_, _>>()
                    .with_context(|| format!("{file}: {what}"))?,
                why: why.to_owned(),
            }),
            _ => bail!("{file}: {line:?} has not three columns"),
        })
        .collect()
}

impl FromStr for Condition {
    type Err = anyhow::Error;

    fn from_str(word: &str) -> anyhow::Result<Self> {
        let (word, holds) = match word.strip_prefix('!') {
            Some(rest) => (rest, false),
            None => (word, true),
        };
        if word == "user" {
            return Ok(Self {
                fact: Fact::Root,
                holds: !holds,
            });
        }
        let fact = if word == "always" {
            Fact::Always
        } else if word == "root" {
            Fact::Root
        } else if let Some(version) = word.strip_prefix("kernel<") {
            Fact::KernelBelow(version.parse()?)
        } else if let Some(version) = word.strip_prefix("kernel>=") {
            Fact::KernelFrom(version.parse()?)
        } else if let Some(name) = word.strip_prefix("cap:") {
            Fact::Capability(capability(name)?)
        } else if let Some(path) = word.strip_prefix("file:/") {
            Fact::File(Path::new("/").join(path))
        } else {
            bail!("{word:?} is no condition");
        };
        Ok(Self { fact, holds })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::PathBuf;

    use super::{Coverage, Machine, Skip, Table, User, faults, parse, read};

    fn machine(kernel: &str, user: User) -> Machine {
        let files = BTreeSet::from([PathBuf::from("/dev/fuse")]);
        Machine {
            kernel: kernel.parse().unwrap(),
            user,
            capabilities: 1 << 21,
            files,
        }
    }

    fn judge(table: &str, skips: &str, ran: &[&str], machine: &Machine) -> Vec<String> {
        let ran = ran.iter().map(|it| (*it).to_owned()).collect();
        let table = Table::parse("the table", table).unwrap();
        faults(&table, &read(skips), &ran, machine, Coverage::Everything)
    }

    #[test]
    fn the_table_is_well_formed() {
        Table::of_hosts().unwrap();
    }

    #[test]
    fn refuses_bad_rows() {
        for row in [
            "a\tuser",
            "a\tuser\twhy\tmore",
            "a\tsometimes\twhy",
            "a\tkernel<six\twhy",
            "a\tcap:all\twhy",
        ] {
            assert!(parse("the table", row).is_err(), "{row}");
        }
    }

    #[test]
    fn knows_kinds_of_machines() {
        let old_user = machine("6.1", User::Other);
        let new_root = machine("6.18", User::Root);
        for (when, fits_old_user, fits_new_root) in [
            ("always", true, true),
            ("user", true, false),
            ("root", false, true),
            ("!root", true, false),
            ("kernel<6.15", true, false),
            ("kernel>=6.15", false, true),
            ("user kernel>=6.15", false, false),
            ("cap:sys_admin", true, true),
            ("!cap:sys_admin", false, false),
            ("!cap:sys_resource", true, true),
            ("file:/dev/fuse", true, true),
            ("!file:/dev/kvm", true, true),
        ] {
            let row = &parse("the table", &format!("a\t{when}\twhy")).unwrap()[0];
            assert_eq!(row.fits(&old_user), fits_old_user, "{when}");
            assert_eq!(row.fits(&new_root), fits_new_root, "{when}");
        }
    }

    #[test]
    fn accepts_what_was_expected() {
        let table = "a::b\tkernel<6.15\tno exit information\nc\tuser\tmounts\n";
        let old_root = machine("6.1", User::Root);
        let new_root = machine("6.18", User::Root);
        assert!(judge(table, "a::b\tLinux 6.1\n", &["a::b", "c"], &old_root).is_empty());
        assert!(judge(table, "", &["a::b", "c"], &new_root).is_empty());
    }

    #[test]
    fn reports_a_skip_nobody_expected() {
        let found = judge(
            "",
            "a\tno such call\n",
            &["a"],
            &machine("6.18", User::Root),
        );
        assert_eq!(found.len(), 1);
        assert!(
            found[0].starts_with("a was skipped (no such call)"),
            "{found:?}"
        );
    }

    #[test]
    fn reports_an_expected_skip_that_did_not_happen() {
        let found = judge("a\talways\twhy\n", "", &["a"], &machine("6.18", User::Root));
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("a ran, while"), "{found:?}");
    }

    #[test]
    fn what_is_left_to_chance_may_be_skipped_or_not() {
        let machine = machine("6.1", User::Root);
        let table = "chance:late\tkernel<6.9\tit depends\n";
        for skips in ["", "a\tlate\n"] {
            assert!(judge(table, skips, &["a"], &machine).is_empty());
        }
        assert_eq!(judge(table, "a\tfuse\n", &["a"], &machine).len(), 1);
    }

    #[test]
    fn a_need_covers_every_test_that_lacks_it() {
        let machine = machine("6.1", User::Root);
        let table = "need:pidfs\tkernel<6.9\tnumbers of pidfds\n";
        assert!(judge(table, "a\tpidfs\nb\tpidfs\n", &["a", "b"], &machine).is_empty());
        let other = judge(table, "a\tpidfs\nb\tfuse\n", &["a", "b"], &machine);
        assert_eq!(other.len(), 1, "{other:?}");
        assert!(other[0].starts_with("b was skipped (fuse)"), "{other:?}");
        let never = judge(table, "", &["a", "b"], &machine);
        assert_eq!(never.len(), 1, "{never:?}");
        assert!(
            never[0].starts_with("no test was skipped for pidfs"),
            "{never:?}"
        );
    }

    #[test]
    fn reports_a_row_without_its_test_only_when_all_tests_ran() {
        let machine = machine("6.18", User::Root);
        let table = "a\tuser\twhy\n";
        assert_eq!(judge(table, "", &["b"], &machine), ["the table: no test a"]);
        let table = Table::parse("the table", table).unwrap();
        let ran = BTreeSet::from(["b".to_owned()]);
        assert!(faults(&table, &[], &ran, &machine, Coverage::Part).is_empty());
    }

    #[test]
    fn reads_skips_once_each() {
        let skip = |test: &str, reason: &str| Skip {
            test: test.into(),
            reason: reason.into(),
        };
        let text = "a\tno fuse\na\tno fuse\nb\n";
        assert_eq!(
            read(text),
            [skip("a", "no fuse"), skip("b", "no reason given")]
        );
    }
}
