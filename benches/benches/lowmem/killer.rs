//! The killers, each with the same level.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A killer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Killer {
    Exithand,
    Earlyoom,
    Nohang,
}

impl Killer {
    pub(crate) const ALL: [Self; 3] = [Self::Exithand, Self::Earlyoom, Self::Nohang];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Exithand => "exithand",
            Self::Earlyoom => "earlyoom",
            Self::Nohang => "nohang",
        }
    }

    fn program(self) -> PathBuf {
        match self {
            Self::Exithand => env::var_os("EXITHAND").map_or_else(
                || env::current_exe().unwrap().with_file_name("../exithand"),
                PathBuf::from,
            ),
            Self::Earlyoom => "/usr/bin/earlyoom".into(),
            Self::Nohang => "/usr/sbin/nohang".into(),
        }
    }

    pub(crate) fn is_there(self) -> bool {
        let there = self.program().exists();
        if !there {
            println!(
                "| - | {} | is not installed ({}) | | | |",
                self.word(),
                self.program().display()
            );
        }
        there
    }

    /// Starts it with its level at `level` MiB of available memory, and a kill to bring back `back`.
    pub(crate) fn start(self, level: u64, back: u64, folder: &Path) -> Child {
        let mut command = Command::new(self.program());
        match self {
            Self::Exithand => {
                let file = folder.join("lowmem.toml");
                let (hard, warn, target) = (level - 1, level + 200, level + back);
                let floor = level / 2;
                let text = format!(
                    "[levels]\nwarn = \"{warn}M\"\nsoft = \"{level}M\"\nhard = \"{hard}M\"\n\
                     floor = \"{floor}M\"\ntarget = \"{target}M\"\n[kill]\ngrace = \"1s\"\n"
                );
                fs::write(&file, text).unwrap();
                command.arg("lowmem").arg("--config").arg(file);
            }
            Self::Earlyoom => {
                let (term, kill) = (level << 10, level << 9);
                command.args(["-M", &format!("{term},{kill}"), "-s", "100", "-r", "0"]);
            }
            Self::Nohang => {
                let file = folder.join("nohang.conf");
                let text = fs::read_to_string("/usr/share/nohang/nohang.conf")
                    .or_else(|_| fs::read_to_string("/etc/nohang/nohang.conf"))
                    .unwrap();
                let set = |line: &str| match line.split_once(" = ").map(|it| it.0) {
                    Some(key @ "soft_threshold_min_mem") => format!("{key} = {level} M"),
                    Some(key @ "hard_threshold_min_mem") => format!("{key} = {} M", level / 2),
                    _ => line.to_owned(),
                };
                let text: Vec<String> = text.lines().map(set).collect();
                fs::write(&file, text.join("\n") + "\n").unwrap();
                command.arg("--monitor").arg("--config").arg(file);
            }
        }
        let log = fs::File::create(folder.join("log")).unwrap();
        command
            .stdin(Stdio::null())
            .stderr(log.try_clone().unwrap())
            .stdout(log);
        command.spawn().unwrap()
    }
}
