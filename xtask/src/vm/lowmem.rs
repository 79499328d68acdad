//! Low-memory killers, and the kernel without one, in a machine of 512 MiB.
//!
//! It is booted three times: with an init of ours and nothing else, and, for systemd-oomd, which lives on
//! what systemd tells it, with a small Debian on a disk, without swap and with some.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use exithand_vm::{PLAN, PLAYER, PLAYS_LAST, Plan, Program, User};

use super::kernels::{self, Kernel};
use super::modules::Needs;
use super::qemu::Guest;
use super::{filesystem, one, programs};
use crate::dist::tool;
use crate::{Verdict, system};

/// The guest's memory, in MiB.
const MEMORY: u32 = 512;
/// So many seconds all scenarios may take.
const SECONDS: u64 = 3600;
/// What the arena takes from its environment.
const VARIABLES: [&str; 4] = ["RUNS", KILLERS, "SCENARIOS", "LOGS"];
const KILLERS: &str = "KILLERS";
const EARLYOOM: &str = "/usr/bin/earlyoom";

/// What the small Debian has.
const INCLUDED: &str = "systemd,systemd-oomd";
/// The room on its disk, in MiB; what is not used takes none.
const DISK_MIB: u64 = 1024;
/// The disk, as the guest calls it.
const DISK: &str = "/dev/vda";
/// The size of the swap, on a disk of its own.
const SWAP_MIB: u64 = 256;

/// Boots the kernel called `name`, and passes on the tables of what happened there.
pub(super) fn run(name: &str) -> anyhow::Result<Verdict> {
    let rows = kernels::chosen(&[name.to_owned()])?;
    let row = rows.first().context("no kernel")?;
    println!(
        "Linux {name} with {MEMORY} MiB, everything emulated: times say only how killers compare"
    );
    let programs = Arena::build()?;
    println!("\nan init of ours, and nothing else:\n");
    let verdict = with_our_init(&super::fetch(row, Needs::Tests)?, &programs)?;
    if verdict != Verdict::Status(0) {
        return Ok(verdict);
    }
    let kernel = super::fetch(row, Needs::Disk)?;
    println!("\nDebian's systemd, all in arena.slice, which systemd-oomd watches:\n");
    let verdict = with_systemd(&kernel, &programs, Swap::None)?;
    if verdict != Verdict::Status(0) {
        return Ok(verdict);
    }
    println!("\nthe same with {SWAP_MIB} MiB of swap:\n");
    with_systemd(&kernel, &programs, Swap::Disk)
}

/// Whether there is swap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Swap {
    None,
    Disk,
}

/// The programs that all guests have, by their names.
struct Arena {
    init: PathBuf,
    all: [(&'static str, PathBuf); 3],
}

impl Arena {
    fn build() -> anyhow::Result<Self> {
        let [init, command, killer, arena] = programs::build_arena()?;
        let all = [
            (programs::COMMAND, command),
            (programs::KILLER, killer),
            (programs::ARENA, arena),
        ];
        Ok(Self { init, all })
    }
}

fn with_our_init(kernel: &Kernel, programs: &Arena) -> anyhow::Result<Verdict> {
    let plan = Plan {
        programs: vec![program()],
        ..Plan::default()
    };
    let mut root = filesystem::base(&programs.init, kernel, &plan)?;
    for (name, program) in &programs.all {
        root.copy(&format!("bin/{name}"), 0o755, program);
    }
    if Path::new(EARLYOOM).exists() {
        filesystem::add(&mut root, EARLYOOM, Path::new(EARLYOOM))?;
    } else {
        println!("earlyoom is not installed, and not compared");
    }
    let guest = Guest {
        kernel,
        plan: &plan,
        memory: MEMORY,
        disks: &[],
        logs: &logs(),
    };
    one::boot(&guest, &root)
}

fn with_systemd(kernel: &Kernel, programs: &Arena, swap: Swap) -> anyhow::Result<Verdict> {
    let plan = Plan {
        disk: Some(DISK.to_owned()),
        programs: vec![program()],
        ..Plan::default()
    };
    let folder = tempfile::tempdir().context("make a folder for the system")?;
    let disks = match swap {
        Swap::None => vec![system_disk(folder.path(), programs, &plan)?],
        Swap::Disk => vec![
            system_disk(folder.path(), programs, &plan)?,
            swap_disk(folder.path())?,
        ],
    };
    let guest = Guest {
        kernel,
        plan: &plan,
        memory: MEMORY,
        disks: &disks,
        logs: &logs(),
    };
    one::boot(&guest, &filesystem::least(&programs.init, kernel, &plan)?)
}

fn logs() -> PathBuf {
    programs::target_folder().join("logs").join("lowmem")
}

/// The arena, with what it is asked for here.
fn program() -> Program {
    let asked = VARIABLES.iter().filter_map(|name| {
        let value = env::var(name).ok()?;
        Some(((*name).to_owned(), value))
    });
    let command = format!("/bin/{}", programs::COMMAND);
    Program {
        path: format!("/bin/{}", programs::ARENA),
        args: Vec::new(),
        env: asked.chain([("EXITHAND".to_owned(), command)]).collect(),
        user: User::Root,
        seconds: SECONDS,
    }
}

/// Files of the small Debian: what is started, and what systemd-oomd is told.
const FILES: [(&str, &str); 4] = [
    (
        "etc/systemd/system/default.target",
        "[Unit]\nRequires=basic.target\nAfter=basic.target\nWants=arena.service\n",
    ),
    (
        "etc/systemd/system/arena.slice",
        "[Slice]\nManagedOOMSwap=kill\nManagedOOMMemoryPressure=kill\n",
    ),
    // A service manager that ends the arena for the sake of one of its processes would end the table.
    (
        "etc/systemd/system/arena.service",
        "[Unit]\nSuccessAction=poweroff-force\nFailureAction=poweroff-force\n\
         [Service]\nExecStartPre=-/sbin/swapon /dev/vdb\nExecStart=PLAYER\nSlice=arena.slice\nDelegate=memory\nOOMPolicy=continue\n\
         OOMScoreAdjust=-1000\nLimitNOFILE=20000\n",
    ),
    ("etc/fstab", ""),
];

/// Makes the image of the disk that has the system.
fn system_disk(folder: &Path, programs: &Arena, plan: &Plan) -> anyhow::Result<PathBuf> {
    let root = folder.join("root");
    fs::create_dir(&root)?;
    system::unpack(&system::archive(INCLUDED)?, &root)?;
    let player = [PLAYER, PLAYS_LAST[0], PLAYS_LAST[1]].join(" ");
    for (path, text) in FILES {
        fs::write(root.join(path), text.replace("PLAYER", &player))
            .with_context(|| format!("write {path}"))?;
    }
    let plan = plan.to_text().map_err(anyhow::Error::msg)?;
    fs::write(root.join(&PLAN[1..]), plan)?;
    let copy = |from: &Path, to: &str| {
        fs::copy(from, root.join(to)).with_context(|| format!("copy {}", from.display()))
    };
    copy(&programs.init, &PLAYER[1..])?;
    for (name, program) in &programs.all {
        copy(program, &format!("usr/bin/{name}"))?;
    }
    if Path::new(EARLYOOM).exists() {
        copy(Path::new(EARLYOOM), &EARLYOOM[1..])?;
    }
    let image = folder.join("disk");
    File::create(&image)?.set_len(DISK_MIB << 20)?;
    let mut mkfs = Command::new("mkfs.ext4");
    tool::run(mkfs.args(["-q", "-F", "-d"]).arg(&root).arg(&image))?;
    Ok(image)
}

fn swap_disk(folder: &Path) -> anyhow::Result<PathBuf> {
    let image = folder.join("swap");
    File::create(&image)?.set_len(SWAP_MIB << 20)?;
    tool::run(Command::new("mkswap").arg("--quiet").arg(&image))?;
    Ok(image)
}
