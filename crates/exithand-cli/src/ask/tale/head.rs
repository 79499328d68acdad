//! The first sentence: who, how, when, after how long.

use exithand::{Outcome, Signal};
use exithand_recorder::ExitRecord;

use super::names::program;
use crate::ask::amount::rough_ns;
use crate::ask::scene::Scene;

/// Says how a process ended and when.
pub(super) fn sentence(record: &ExitRecord, scene: &Scene) -> String {
    let name = program(&record.comm);
    let number = match record.token.pid() {
        Some(pid) => format!("pid {}", pid.as_raw_nonzero()),
        None => format!("{}", record.token),
    };
    let ended = match record.outcome {
        Outcome::Exited(0) => "ended well, with exit status 0,".to_owned(),
        Outcome::Exited(status) => format!("ended by itself with exit status {status},"),
        Outcome::Killed {
            signal,
            core_dumped: false,
        } => format!("was killed by {signal}"),
        Outcome::Killed {
            signal,
            core_dumped: true,
        } => format!("was killed by {signal}, with a core dump,"),
        Outcome::Unknown { .. } => "ended".to_owned(),
    };
    let (ago, moment) = (scene.ago(record.ended), scene.local_with_zone(record.ended));
    let after = match record.runtime_ns {
        Some(runtime) => format!(", after running for {}", rough_ns(runtime)),
        None => String::new(),
    };
    format!("{name} ({number}) {ended} {ago} ({moment}){after}.")
}

/// Says what the number or the lack of one means.
pub(super) fn hint(record: &ExitRecord) -> Option<String> {
    match record.outcome {
        Outcome::Unknown { why } => Some(format!("How it ended is not known: {why}.")),
        Outcome::Exited(126) => {
            Some("Shells use this status for a command that they could not execute.".to_owned())
        }
        Outcome::Exited(127) => {
            Some("Shells use this status for a command that they could not find.".to_owned())
        }
        Outcome::Exited(status @ 129..) => {
            let signal = Signal::from_number(i32::from(status) - 128)?;
            Some(format!(
                "Shells use this status when what they ran was killed by {signal}."
            ))
        }
        Outcome::Exited(_) | Outcome::Killed { .. } => None,
    }
}
