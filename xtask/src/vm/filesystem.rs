//! What is in the first filesystem of a guest.

use std::env;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, anyhow, bail};
use exithand_vm::{MODULES, PLAN, Plan};

use super::cpio::Root;
use super::kernels::Kernel;
use super::modules;

/// The host's programs that tests start, and a few for whoever runs scripts in a guest. Not those of
/// busybox: a program that is called by another name has to stay the same, as tests have it.
const PROGRAMS: [&str; 33] = [
    "cat", "chmod", "cp", "cut", "dd", "echo", "env", "expr", "false", "grep", "head", "id",
    "kill", "ln", "ls", "mkdir", "mkfifo", "mv", "pgrep", "pidwait", "ps", "readlink", "rm", "sed",
    "seq", "setsid", "sh", "sleep", "sort", "tail", "touch", "true", "wc",
];
const USERS: &str = "root:x:0:0::/tmp:/bin/sh\nnobody:x:65534:65534::/tmp:/bin/sh\n";
const GROUPS: &str = "root:x:0:\nnogroup:x:65534:\n";

/// A filesystem with an init, the modules of `kernel`, the programs that scripts need, and the plan.
pub(super) fn base(init: &Path, kernel: &Kernel, plan: &Plan) -> anyhow::Result<Root> {
    let mut root = least(init, kernel, plan)?;
    for name in PROGRAMS {
        add(&mut root, &format!("bin/{name}"), &find(name)?)?;
    }
    root.text("etc/passwd", 0o644, USERS);
    root.text("etc/group", 0o644, GROUPS);
    Ok(root)
}

/// A filesystem with an init, the modules of `kernel`, and the plan.
pub(super) fn least(init: &Path, kernel: &Kernel, plan: &Plan) -> anyhow::Result<Root> {
    let mut root = Root::default();
    for folder in ["cgroup", "dev", "proc", "sys"] {
        root.directory(folder, 0o755);
    }
    for folder in ["tmp", "run"] {
        root.directory(folder, 0o1777);
    }
    // The kernel opens it for init before anything is mounted.
    root.character_device("dev/console", 5, 1);
    root.copy("init", 0o755, init);
    root.text(PLAN, 0o644, plan.to_text().map_err(|error| anyhow!(error))?);
    root.directory(MODULES, 0o755);
    if let Some(folder) = &kernel.modules {
        for (number, module) in modules::needed(folder, kernel.needs)?
            .into_iter()
            .enumerate()
        {
            let path = format!("{MODULES}/{number:02}-{}.ko", module.name);
            root.bytes(&path, 0o644, module.contents);
        }
    }
    Ok(root)
}

/// Adds a program of the host, with the libraries that it needs.
pub(super) fn add(root: &mut Root, place: &str, program: &Path) -> anyhow::Result<()> {
    root.copy(place, 0o755, program);
    for library in libraries(program)? {
        // Not the link by which it is found, but what the link leads to.
        root.copy(&library, 0o755, Path::new(&library));
    }
    Ok(())
}

/// Writes the archive that a kernel unpacks.
pub(super) fn write(root: &Root, archive: &Path) -> anyhow::Result<()> {
    let context = || format!("write {}", archive.display());
    let mut out = BufWriter::new(File::create(archive).with_context(context)?);
    root.write(&mut out)?;
    out.flush().with_context(context)
}

fn find(program: &str) -> anyhow::Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut places = env::split_paths(&path).map(|it| it.join(program));
    let found = places.find(|it| it.is_file());
    found.with_context(|| format!("a guest needs {program}, which is not on the path"))
}

/// Where the libraries of a program are, the loader included.
fn libraries(program: &Path) -> anyhow::Result<Vec<String>> {
    let output = Command::new("ldd").arg(program).output();
    let output = output.context("run ldd")?;
    if !output.status.success() {
        bail!("ldd cannot say what {} needs", program.display());
    }
    Ok(library_paths(&String::from_utf8_lossy(&output.stdout)))
}

/// Reads the paths out of `libc.so.6 => /lib/libc.so.6 (0x7f..)` and `/lib64/ld.so.2 (0x7f..)`.
fn library_paths(listed: &str) -> Vec<String> {
    let words = listed.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        words.find(|it| it.starts_with('/'))
    });
    words.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::library_paths;

    #[test]
    fn reads_what_ldd_lists() {
        let listed = "\tlinux-vdso.so.1 (0x00007ffc)\n\tlibc.so.6 => /lib/x/libc.so.6 (0x00007f01)\n\
                      \t/lib64/ld-linux-x86-64.so.2 (0x00007f02)\n";
        assert_eq!(
            library_paths(listed),
            ["/lib/x/libc.so.6", "/lib64/ld-linux-x86-64.so.2"]
        );
    }
}
