//! Which programs a guest runs.

use std::fmt::Write;

/// What a guest does between its start and its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The cgroup v1 controllers to mount. A controller here is not to be had in cgroup2.
    pub v1: Vec<String>,
    /// The disk with the system to go on with, instead of running the programs from the first filesystem.
    pub disk: Option<String>,
    /// The programs, run one after the other.
    pub programs: Vec<Program>,
}

/// One program to run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Program {
    /// Its path in the guest.
    pub path: String,
    /// Its arguments, without its name.
    pub args: Vec<String>,
    /// Variables, beyond `PATH`, `HOME` and `TMPDIR`.
    pub env: Vec<(String, String)>,
    /// Who runs it.
    pub user: User,
    /// After so many seconds it is killed.
    pub seconds: u64,
}

/// Who runs a program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum User {
    /// Root, with every capability.
    #[default]
    Root,
    /// Uid and gid 65534, with none.
    Nobody,
}

impl User {
    /// The name in the guest's list of users.
    pub fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Nobody => "nobody",
        }
    }
}

impl Plan {
    /// Writes the plan as text, a word and its value a line.
    ///
    /// # Errors
    /// Names the value that has a line break, which the form has no room for.
    pub fn to_text(&self) -> Result<String, String> {
        let mut text = String::new();
        let mut line = |word: &str, value: &str| {
            if value.contains('\n') {
                return Err(format!("{value:?} has a line break"));
            }
            writeln!(text, "{word} {value}").map_err(|error| error.to_string())
        };
        for controller in &self.v1 {
            line("v1", controller)?;
        }
        if let Some(disk) = &self.disk {
            line("disk", disk)?;
        }
        for program in &self.programs {
            line("run", &program.path)?;
            for arg in &program.args {
                line("arg", arg)?;
            }
            for (name, value) in &program.env {
                line("env", &format!("{name}={value}"))?;
            }
            line("user", program.user.name())?;
            line("seconds", &program.seconds.to_string())?;
        }
        Ok(text)
    }

    /// Reads what [`Plan::to_text`] wrote.
    ///
    /// # Errors
    /// Names the line that is none of a plan.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut plan = Self::default();
        for line in text.lines() {
            plan.read(line)
                .ok_or_else(|| format!("{line:?} is no line of a plan"))?;
        }
        Ok(plan)
    }

    fn read(&mut self, line: &str) -> Option<()> {
        let (word, value) = line.split_once(' ')?;
        let value = value.to_owned();
        match word {
            "v1" => self.v1.push(value),
            "disk" => self.disk = Some(value),
            "run" => self.programs.push(Program {
                path: value,
                ..Program::default()
            }),
            _ => self.programs.last_mut()?.read(word, value)?,
        }
        Some(())
    }
}

impl Program {
    fn read(&mut self, word: &str, value: String) -> Option<()> {
        match word {
            "arg" => self.args.push(value),
            "env" => {
                let (name, value) = value.split_once('=')?;
                self.env.push((name.to_owned(), value.to_owned()));
            }
            "user" => {
                self.user = [User::Root, User::Nobody]
                    .into_iter()
                    .find(|it| it.name() == value)?;
            }
            "seconds" => self.seconds = value.parse().ok()?,
            _ => return None,
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Plan, Program, User};

    #[test]
    fn what_is_written_is_read() {
        let plan = Plan {
            v1: vec!["freezer".to_owned()],
            disk: Some("/dev/a".to_owned()),
            programs: vec![
                Program {
                    path: "/bin/a b".to_owned(),
                    args: vec![String::new(), "--x=1 2".to_owned(), "run c".to_owned()],
                    env: vec![("A".to_owned(), "b=c".to_owned())],
                    user: User::Nobody,
                    seconds: 60,
                },
                Program {
                    path: "/bin/c".to_owned(),
                    ..Program::default()
                },
            ],
        };
        assert_eq!(Plan::parse(&plan.to_text().unwrap()), Ok(plan));
    }

    #[test]
    fn refuses_what_has_no_form() {
        let plan = Plan {
            v1: vec!["a\nb".to_owned()],
            ..Plan::default()
        };
        assert!(plan.to_text().is_err());
        for text in [
            "arg early",
            "run a\nuser someone",
            "run a\nseconds x",
            "walk a",
            "run",
        ] {
            assert!(Plan::parse(text).is_err(), "{text:?}");
        }
    }
}
