//! The killers, each with the same level.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A killer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Killer {
    /// `exithand lowmem`.
    Exithand,
    /// earlyoom.
    Earlyoom,
    /// nohang.
    Nohang,
    /// systemd-oomd, which only its service manager can start.
    Oomd,
    /// None but the kernel's own.
    Kernel,
}

/// At what the killers kill, in MiB.
#[derive(Debug, Clone)]
pub struct Levels {
    /// So much is available.
    pub level_mib: u64,
    /// A kill is to bring back so much.
    pub back_mib: u64,
    /// A cgroup whose limit is watched, too.
    pub cgroup: Option<Limit>,
}

/// A cgroup with a limit.
#[derive(Debug, Clone)]
pub struct Limit {
    /// Its directory.
    pub directory: PathBuf,
    /// Its limit.
    pub limit_mib: u64,
    /// The share of the limit that is to stay available.
    pub percent: u64,
}

/// The unit of systemd-oomd.
const OOMD: &str = "systemd-oomd.service";

/// A killer at work.
#[derive(Debug)]
pub struct Running {
    /// Its pid; `None` for the kernel.
    pub pid: Option<u32>,
    child: Option<Child>,
}

impl Running {
    /// Ends it.
    pub fn end(self) {
        match (self.child, self.pid) {
            (Some(mut child), _) => {
                child.kill().unwrap();
                child.wait().unwrap();
            }
            // Its socket would have it started again.
            (None, Some(_)) => systemctl(&["stop", OOMD, "systemd-oomd.socket"]),
            (None, None) => {}
        }
    }
}

impl Killer {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Exithand,
        Self::Earlyoom,
        Self::Nohang,
        Self::Oomd,
        Self::Kernel,
    ];

    /// Its name.
    pub fn word(self) -> &'static str {
        match self {
            Self::Exithand => "exithand",
            Self::Earlyoom => "earlyoom",
            Self::Nohang => "nohang",
            Self::Oomd => "systemd-oomd",
            Self::Kernel => "kernel",
        }
    }

    /// Where it is; the kernel is everywhere.
    pub fn program(self) -> PathBuf {
        match self {
            Self::Exithand => env::var_os("EXITHAND").map_or_else(
                || env::current_exe().unwrap().with_file_name("../exithand"),
                PathBuf::from,
            ),
            Self::Earlyoom => "/usr/bin/earlyoom".into(),
            Self::Nohang => "/usr/sbin/nohang".into(),
            Self::Oomd => "/lib/systemd/systemd-oomd".into(),
            Self::Kernel => "/proc/sys/vm".into(),
        }
    }

    /// Starts it; its files, and its log, go to `folder`.
    pub fn start(self, levels: &Levels, folder: &Path) -> Running {
        let mut command = Command::new(self.program());
        match self {
            Self::Exithand => {
                let file = folder.join("lowmem.toml");
                fs::write(&file, exithand_config(levels)).unwrap();
                command.arg("lowmem").arg("--config").arg(file);
            }
            Self::Earlyoom => {
                let (term, kill) = (levels.level_mib << 10, levels.level_mib << 9);
                command.args(["-M", &format!("{term},{kill}"), "-s", "100", "-r", "0"]);
            }
            Self::Nohang => {
                let file = folder.join("nohang.conf");
                fs::write(&file, nohang_config(levels.level_mib)).unwrap();
                command.arg("--monitor").arg("--config").arg(file);
            }
            Self::Oomd => {
                systemctl(&["start", OOMD]);
                return Running {
                    pid: main_pid(OOMD),
                    child: None,
                };
            }
            Self::Kernel => {
                return Running {
                    pid: None,
                    child: None,
                };
            }
        }
        let log = fs::File::create(folder.join("log")).unwrap();
        command
            .stdin(Stdio::null())
            .stderr(log.try_clone().unwrap())
            .stdout(log);
        let child = command.spawn().unwrap();
        Running {
            pid: Some(child.id()),
            child: Some(child),
        }
    }
}

/// Levels in MiB, or, for a cgroup, as shares of its limit, whichever is less.
fn exithand_config(levels: &Levels) -> String {
    let Levels {
        level_mib: level,
        back_mib: back,
        cgroup,
    } = levels;
    let sizes = [
        ("warn", level + 200, 50),
        ("soft", *level, 0),
        ("hard", level - 1, 0),
        ("floor", level / 2, 0),
        ("target", level + back, 20),
    ];
    let mut text = "[levels]\n".to_owned();
    for (name, mib, more) in sizes {
        let amount = match (cgroup, name) {
            (None, _) => format!("{mib}M"),
            (Some(it), "floor") => format!("{}% or {mib}M", it.percent / 2),
            (Some(it), _) => format!("{}% or {mib}M", it.percent + more),
        };
        text.extend([name, " = \"", &amount, "\"\n"]);
    }
    text += "[kill]\ngrace = \"1s\"\n";
    if let Some(cgroup) = cgroup {
        let directory = cgroup.directory.display().to_string();
        text.extend(["[[cgroup]]\npath = \"", &directory, "\"\n"]);
    }
    text
}

/// The packaged configuration with other thresholds.
fn nohang_config(level: u64) -> String {
    let text = fs::read_to_string("/usr/share/nohang/nohang.conf")
        .or_else(|_| fs::read_to_string("/etc/nohang/nohang.conf"))
        .unwrap();
    let set = |line: &str| match line.split_once(" = ").map(|it| it.0) {
        Some(key @ "soft_threshold_min_mem") => format!("{key} = {level} M"),
        Some(key @ "hard_threshold_min_mem") => format!("{key} = {} M", level / 2),
        _ => line.to_owned(),
    };
    let text: Vec<String> = text.lines().map(set).collect();
    text.join("\n") + "\n"
}

fn systemctl(words: &[&str]) {
    let status = Command::new("systemctl").args(words).status().unwrap();
    assert!(status.success(), "systemctl {words:?}: {status}");
}

/// Finds the main process of a service.
fn main_pid(unit: &str) -> Option<u32> {
    let output = Command::new("systemctl")
        .args(["show", "--property=MainPID", "--value", unit])
        .output()
        .unwrap();
    let pid = String::from_utf8_lossy(&output.stdout).trim().parse().ok();
    assert!(pid.is_some_and(|it| it > 0_u32), "{unit} does not run");
    pid
}
