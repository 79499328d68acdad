//! Who did it.

use std::os::unix::ffi::OsStrExt;

use exithand::{Outcome, Signal};
use exithand_recorder::{ExitRecord, Killer, Oom, OomScope};

use super::names::{link, program};
use crate::ask::amount::bytes;
use crate::ask::scene::Scene;
use crate::ask::sent::{Sent, sent};
use crate::text::printable;

/// Says who sent the signal that ended a process, or why the kernel did; `None` if none did.
pub(super) fn sentence(record: &ExitRecord, scene: &Scene) -> Option<String> {
    let Outcome::Killed { signal, .. } = record.outcome else {
        return None;
    };
    if let Some(oom) = &record.oom {
        return Some(out_of_memory(record, oom));
    }
    let Some(killer) = &record.killer else {
        return Some("Who sent the signal was not recorded.".to_owned());
    };
    let text = match sent(killer.signal, killer.code) {
        Sent::Fault {
            code: Some(code),
            did,
        } => format!("It {did} ({code})."),
        Sent::Fault { code: None, did } => format!("It {did}."),
        Sent::Kernel(why) => format!("The kernel sent it: {why}."),
        Sent::Call(call) if is_itself(record, killer) => by_itself(signal, call),
        Sent::Call(call) => by_another(record, killer, &format!("by {call}"), scene),
        Sent::LowMemory(why) => {
            let how = format!("which ends programs when memory runs out: {why}");
            by_another(record, killer, &how, scene)
        }
    };
    Some(text)
}

fn out_of_memory(record: &ExitRecord, oom: &Oom) -> String {
    let whose = match (oom.scope, &oom.cgroup) {
        (OomScope::Memcg, Some(cgroup)) => {
            let cgroup = printable(cgroup.as_bytes());
            format!("its memory cgroup {cgroup} had reached its limit")
        }
        (OomScope::Memcg, None) => "its memory cgroup had reached its limit".to_owned(),
        (OomScope::Global, _) => "the machine had run out of memory".to_owned(),
    };
    let held = match record.usage.max_rss_bytes {
        Some(held) => format!(" It held {} at its peak.", bytes(held)),
        None => String::new(),
    };
    format!("The kernel killed it because {whose}.{held}")
}

fn is_itself(record: &ExitRecord, killer: &Killer) -> bool {
    let pid = record
        .token
        .pid()
        .map(|it| it.as_raw_nonzero().get().unsigned_abs());
    pid == Some(killer.pid)
}

fn by_itself(signal: Signal, call: &str) -> String {
    match signal.number() {
        6 => "It aborted itself, as programs do that find something wrong they cannot go on \
              with (abort(3))."
            .to_owned(),
        13 => "It wrote to a pipe or socket that nobody reads any more.".to_owned(),
        _ => format!("It sent the signal to itself, by {call}."),
    }
}

fn by_another(record: &ExitRecord, killer: &Killer, how: &str, scene: &Scene) -> String {
    let is_parent = record
        .parent
        .as_ref()
        .is_some_and(|it| it.pid == killer.pid);
    let relation = if is_parent { "its parent, " } else { "" };
    let what = match record.outcome {
        Outcome::Killed { signal, .. } if signal != killer.signal => killer.signal.to_string(),
        _ => "The signal".to_owned(),
    };
    let who = describe(killer, scene);
    let chain = match &killer.chain[..] {
        [] => String::new(),
        chain => {
            let chain = chain.iter().rev().map(|it| link(&it.comm, it.pid));
            let chain = chain.collect::<Vec<_>>().join(" > ");
            format!(" The parents of that {}: {chain}.", program(&killer.comm))
        }
    };
    let meaning = by_systemd(killer);
    format!("{what} came from {relation}{who}, {how}.{chain}{meaning}")
}

/// Names a killer: `kill (pid 4103, /usr/bin/kill) of root in watchdog.service`.
fn describe(killer: &Killer, scene: &Scene) -> String {
    let exe = killer.exe.as_deref().map(|it| printable(it.as_bytes()));
    let comm = program(&killer.comm);
    let exe = match exe {
        Some(exe) if !exe.ends_with(&format!("/{comm}")) => format!(", {exe}"),
        _ => String::new(),
    };
    let user = killer
        .uid
        .map_or_else(String::new, |uid| format!(" of {}", scene.user(uid)));
    let unit = killer.unit.as_deref().map_or_else(String::new, |unit| {
        format!(" in {}", printable(unit.as_bytes()))
    });
    format!("{comm} (pid {}{exe}){user}{unit}", killer.pid)
}

/// What a service manager means by a signal.
fn by_systemd(killer: &Killer) -> &'static str {
    if killer.comm != "systemd" {
        return "";
    }
    match killer.signal.number() {
        15 => " That is how systemd stops a unit.",
        9 => {
            " systemd does that to what still runs when the time for stopping a unit is up \
             (TimeoutStopSec=)."
        }
        6 => " systemd does that to a service that missed its watchdog (WatchdogSec=).",
        _ => "",
    }
}
