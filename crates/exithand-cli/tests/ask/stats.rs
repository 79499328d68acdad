//! `exithand stats`.

use exithand::Outcome;

use crate::stage::{Stage, ago, exit, gap, out_of_memory, plain, stopped};

fn stage() -> Stage {
    Stage::with(|now| {
        let mut events = vec![exit(out_of_memory(500, ago(now, 1500)))];
        for pid in 401..404 {
            events.push(exit(stopped(pid, ago(now, 1200))));
        }
        for at in 0..7 {
            let ended = ago(now, 900 - i64::from(at) * 10);
            events.push(exit(plain(600 + at, "looper", Outcome::Exited(3), ended)));
        }
        events.push(gap(ago(now, 600), ago(now, 598)));
        events
    })
}

#[test]
fn groups_are_counted_and_plotted() {
    let ran = stage()
        .run("stats", &["--by", "name", "--since", "1h"])
        .exits(0);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert!(
        lines[0].starts_with("exits by name since "),
        "{}",
        ran.stdout
    );
    assert!(
        lines[1].contains("NAME    highest column: "),
        "{}",
        ran.stdout
    );
    for (line, start) in [
        (2, "        7        7     0  looper"),
        (3, "        3        3     0  nginx"),
        (4, "        1        1     1  java"),
    ] {
        assert!(lines[line].starts_with(start), "{}", ran.stdout);
    }
    assert!(
        lines[5].starts_with("crash loop: looper failed 7 times in a row between "),
        "{}",
        ran.stdout
    );
    assert!(
        lines[6].starts_with("-- 14 records were lost between "),
        "{}",
        ran.stdout
    );
}

#[test]
fn every_grouping_adds_up_to_all() {
    let stage = stage();
    for by in ["unit", "name", "outcome", "user", "signal", "container"] {
        let lines = stage.run("stats", &["--json", "--by", by]).exits(0).json();
        let sum: u64 = lines.iter().filter_map(|line| line["exits"].as_u64()).sum();
        assert_eq!(sum, 11, "{by}");
    }
    let signals = stage
        .run("stats", &["--by", "signal", "--limit", "0"])
        .exits(0);
    assert!(signals.stdout.contains("  TERM"), "{}", signals.stdout);
    let users = stage.run("stats", &["--by", "user"]).exits(0);
    assert!(users.stdout.contains("  root"), "{}", users.stdout);
}

#[test]
fn the_rest_is_one_row() {
    let ran = stage()
        .run("stats", &["--by", "name", "--limit", "1"])
        .exits(0);
    assert!(
        ran.stdout.contains("        4        4     1  (2 others)"),
        "{}",
        ran.stdout
    );
}

#[test]
fn a_filter_of_ends_hides_no_loop_and_makes_none() {
    let ran = stage().run("stats", &["--name", "nginx"]).exits(0);
    assert!(!ran.stdout.contains("crash loop"), "{}", ran.stdout);
    let ran = stage()
        .run("stats", &["--json", "--outcome", "killed"])
        .exits(0);
    let lines = ran.json();
    let found = lines
        .iter()
        .find(|line| line.get("crash_loop").is_some())
        .unwrap();
    assert_eq!(
        (&found["crash_loop"], &found["times"]),
        (&"looper".into(), &7.into())
    );
}

#[test]
fn many_crash_loops_are_a_few_lines_for_people_and_all_for_programs() {
    let stage = Stage::with(|now| {
        // Twelve programs, each with two loops that lie more than ten minutes apart.
        let one = |program: u32, time: u32| {
            let ended = ago(
                now,
                3000 - i64::from(time / 5) * 1800 - i64::from(time % 5) * 10,
            );
            let name = format!("looper{program}");
            let pid = 600 + program * 10 + time;
            exit(plain(pid, &name, Outcome::Exited(3), ended))
        };
        let all = (0..12).flat_map(|program| (0..10).map(move |time| (program, time)));
        let mut all: Vec<(u32, u32)> = all.collect();
        all.sort_by_key(|(program, time)| (*time, *program));
        all.into_iter()
            .map(|(program, time)| one(program, time))
            .collect()
    });
    let text = stage.run("stats", &["--by", "name"]).exits(0).stdout;
    let loops = text.lines().filter(|it| it.starts_with("crash loop: "));
    let loops: Vec<&str> = loops.collect();
    assert_eq!(loops.len(), 10, "{text}");
    assert!(
        loops
            .iter()
            .all(|it| it.contains(" failed 10 times in 2 loops between ")),
        "{text}"
    );
    assert!(
        text.contains("\nand 2 crash loops more: --json has all\n"),
        "{text}"
    );
    let json = stage.run("stats", &["--json"]).exits(0).json();
    let loops = json.iter().filter(|it| it.get("crash_loop").is_some());
    assert_eq!(loops.count(), 24);
}

#[test]
fn blocks_are_for_terminals_that_have_them() {
    let stage = stage();
    let mut command = stage.command("stats", &[]);
    command.env("LC_ALL", "C.UTF-8");
    let blocks = String::from_utf8(command.output().unwrap().stdout).unwrap();
    assert!(blocks.contains('\u{2588}'), "{blocks}");
    let plain = stage.run("stats", &[]).stdout;
    assert!(plain.is_ascii() && plain.contains('@'), "{plain}");
}

#[test]
fn nothing_is_an_answer() {
    let ran = stage().run("stats", &["--name", "nobody"]).exits(0);
    assert!(ran.stdout.contains("nothing ended"), "{}", ran.stdout);
}

#[test]
fn bad_input_is_refused() {
    let stage = stage();
    for (args, complaint) in [
        (&["--by", "size"][..], "size"),
        (&["--bucket", "10ms"], "shorter than a second"),
        (&["--bucket", "1s"], "is the most: write a longer one"),
        (&["--bucket", "0"], "shorter than a second"),
        (&["--since", "soon"], "is no moment"),
    ] {
        stage
            .run("stats", args)
            .exits(2)
            .prints("")
            .complains(complaint);
    }
}
