//! Records as comma-separated values (RFC 4180).

use std::io::{self, Write};

use exithand_recorder::json::RecordLine;
use serde_json::Value;

/// The columns: the fields of the JSON line; those of the killer after a dot.
const COLUMNS: [&str; 35] = [
    "ended",
    "started",
    "runtime_ns",
    "pid",
    "token",
    "comm",
    "outcome",
    "status",
    "signal",
    "signal_name",
    "core_dumped",
    "why",
    "ppid",
    "uid",
    "gid",
    "exe",
    "argv",
    "unit",
    "container",
    "cgroup",
    "killer.pid",
    "killer.comm",
    "killer.uid",
    "killer.exe",
    "killer.unit",
    "killer.signal",
    "killer.code",
    "oom",
    "oom_cgroup",
    "cpu_user_ns",
    "cpu_system_ns",
    "max_rss_bytes",
    "read_bytes",
    "write_bytes",
    "gap",
];

/// Writes the names of the columns.
///
/// # Errors
///
/// Those of the writer.
pub fn header(out: &mut impl Write) -> io::Result<()> {
    line(COLUMNS.map(|name| name.replace('.', "_")), out)
}

/// Writes a record.
///
/// # Errors
///
/// Those of the writer.
pub fn record(record: &RecordLine, out: &mut impl Write) -> io::Result<()> {
    let value = serde_json::to_value(record)?;
    line(COLUMNS.map(|name| cell(&value, name)), out)
}

fn cell(line: &Value, name: &str) -> String {
    let value = match name.split_once('.') {
        Some((outer, inner)) => line.get(outer).and_then(|it| it.get(inner)),
        None => line.get(name),
    };
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(words)) => {
            let words = words.iter().map(|word| word.as_str().unwrap_or_default());
            let quoted =
                words.map(|word| shlex::try_quote(word).unwrap_or_else(|_nul| word.into()));
            quoted.collect::<Vec<_>>().join(" ")
        }
        Some(other) => other.to_string(),
    }
}

fn line(cells: [String; COLUMNS.len()], out: &mut impl Write) -> io::Result<()> {
    let cells = cells.map(|cell| quoted(&cell));
    write!(out, "{}\r\n", cells.join(","))
}

/// Puts quotes around a cell that needs them.
fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ask::tale::tests::record as plain;
    use exithand::{Outcome, Signal};
    use exithand_recorder::{Argv, Killer};

    #[test]
    fn cells_are_quoted_where_they_must_be() {
        for (cell, text) in [
            ("a b", "a b"),
            ("a,b", "\"a,b\""),
            ("a\"b", "\"a\"\"b\""),
            ("a\nb", "\"a\nb\""),
            ("", ""),
        ] {
            assert_eq!(quoted(cell), text);
        }
    }

    #[test]
    fn every_line_has_every_column() {
        let mut it = plain(
            "x,y",
            Outcome::Killed {
                signal: Signal::KILL,
                core_dumped: false,
            },
        );
        it.argv = Some(Argv {
            words: vec!["x".into(), "a b".into()],
            truncated: false,
        });
        it.killer = Some(Killer {
            pid: 7,
            comm: "bash".into(),
            uid: Some(0),
            exe: None,
            unit: None,
            signal: Signal::KILL,
            code: 0,
            chain: Vec::new(),
        });
        let mut out = Vec::new();
        header(&mut out).unwrap();
        record(&RecordLine::new(&it).near_gap(), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let [names, values] = &text.split("\r\n").take(2).collect::<Vec<_>>()[..] else {
            panic!("{text}");
        };
        assert!(names.contains(",killer_pid,killer_comm,"), "{names}");
        assert_eq!(names.split(',').count(), COLUMNS.len());
        // One comma is the name's.
        assert_eq!(values.split(',').count(), COLUMNS.len() + 1, "{values}");
        assert!(
            values.contains("4242,4242:918273,\"x,y\",killed,,9,SIGKILL,false,"),
            "{values}"
        );
        assert!(values.contains(",x 'a b',"), "{values}");
        assert!(values.contains(",7,bash,0,,,9,0,"), "{values}");
        assert!(values.ends_with(",true"), "{values}");
    }
}
