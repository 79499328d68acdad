//! A selection in the words it was asked for.

use std::fmt;

use super::SelectArgs;
use crate::text::printable;

impl fmt::Display for SelectArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&flags(self).join(" "))
    }
}

fn flags(args: &SelectArgs) -> Vec<String> {
    let mut flags = Vec::new();
    flags.extend(
        args.name
            .iter()
            .map(|it| format!("--name {}", quoted(it.as_str()))),
    );
    flags.extend(
        args.full
            .iter()
            .map(|it| format!("--full {}", quoted(it.as_str()))),
    );
    flags.extend(args.exact.then(|| "--exact".to_owned()));
    flags.extend(list("--user", &args.user));
    flags.extend(list("--group", &args.group));
    flags.extend(list(
        "--parent",
        &args.parent.iter().map(|it| number(*it)).collect::<Vec<_>>(),
    ));
    flags.extend(list(
        "--tree",
        &args
            .tree
            .iter()
            .map(|it| number(Some(*it)))
            .collect::<Vec<_>>(),
    ));
    flags.extend(list(
        "--session",
        &args
            .session
            .iter()
            .map(|it| number(*it))
            .collect::<Vec<_>>(),
    ));
    let text = |bytes: &std::ffi::OsStr| quoted(&printable(bytes.as_encoded_bytes()));
    flags.extend(args.tty.iter().map(|it| format!("--tty {}", text(it))));
    flags.extend(
        args.cgroup
            .iter()
            .map(|it| format!("--cgroup {}", text(it))),
    );
    flags.extend(
        args.pidfile
            .iter()
            .map(|it| format!("--pidfile {}", text(it.as_os_str()))),
    );
    flags.extend(args.newest.then(|| "--newest".to_owned()));
    flags.extend(args.oldest.then(|| "--oldest".to_owned()));
    flags.extend(
        args.ignore_ancestors
            .then(|| "--ignore-ancestors".to_owned()),
    );
    flags
}

fn list(flag: &str, values: &[impl ToString]) -> Option<String> {
    let values: Vec<String> = values.iter().map(ToString::to_string).collect();
    (!values.is_empty()).then(|| format!("{flag} {}", values.join(",")))
}

fn number(pid: super::ProcPid) -> i32 {
    pid.map_or(0, |pid| pid.as_raw_nonzero().get())
}

/// Quotes as a shell needs it.
fn quoted(text: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:@%+^,".contains(letter);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}
