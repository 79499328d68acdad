//! What the process was.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use exithand_recorder::ExitRecord;

use super::names::{command_line, link};
use crate::ask::scene::Scene;
use crate::text::printable;

/// Container ids are shown like this by the tools that make them.
const SHORT_ID: usize = 12;

/// Says what a process was; `None` if only its name is known.
pub(super) fn sentence(record: &ExitRecord, scene: &Scene) -> Option<String> {
    let parent = record.parent.as_ref().map(|parent| {
        let comm = parent.comm.as_deref().unwrap_or(OsStr::new("process"));
        format!("a child of {}", link(comm, parent.pid))
    });
    let parts = [what(record), where_it_ran(record, scene), parent];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    let init = if record.namespace_init {
        " As the init of a pid namespace it took all processes in there with it."
    } else {
        ""
    };
    match (parts.is_empty(), init) {
        (true, "") => None,
        (true, init) => Some(init.trim_start().to_owned()),
        (false, init) => Some(format!("It was {}.{init}", parts.join(", "))),
    }
}

/// Says what was executed.
fn what(record: &ExitRecord) -> Option<String> {
    let exe = record.exe.as_deref().map(|it| printable(it.as_bytes()));
    let argv = record.argv.as_ref().filter(|argv| !argv.words.is_empty());
    let Some(argv) = argv else {
        return exe;
    };
    let line = format!("`{}`", command_line(argv));
    let same = argv.words.first().map(std::ffi::OsString::as_os_str) == record.exe.as_deref();
    Some(match exe {
        Some(exe) if !same => format!("{line} ({exe})"),
        _ => line,
    })
}

/// Says as whom and in which unit or container.
fn where_it_ran(record: &ExitRecord, scene: &Scene) -> Option<String> {
    let place = &record.place;
    let user = record.uid.map(|uid| format!("run by {}", scene.user(uid)));
    let unit = place
        .unit
        .as_deref()
        .map(|it| format!("in {}", printable(it.as_bytes())));
    let container = place.container.as_deref().map(|it| {
        let id: String = it.chars().take(SHORT_ID).collect();
        format!("in container {}", printable(id.as_bytes()))
    });
    let parts: Vec<String> = [user, container, unit].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}
