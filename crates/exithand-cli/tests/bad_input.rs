//! Bad input: a clear message, the right exit code, and nobody waited for.

mod common;

use std::fs;
use std::process::{Command, Stdio};

use common::{Ran, exithand, pid, run, word};
use exithand_testkit::{actor, with_descriptor_limit};

#[test]
fn words_that_are_no_targets() {
    for (target, code, words) in [
        ("nginx", 2, "to select by name, use --name"),
        ("0", 2, "pids start at 1"),
        ("-5", 2, "-5 is no pid: it is negative"),
        ("2147483648", 2, "larger than any pid"),
        ("99999999999999999999", 2, "larger than any pid"),
        ("2147483647", 127, "pids go up to"),
        ("12:", 2, "no token"),
        ("12:0", 2, "no token"),
        ("12~x", 2, "no token"),
        ("12:34@nonsense", 2, "no boot id"),
        ("", 2, "neither a pid nor a token"),
    ] {
        for subcommand in ["wait", "kill", "id"] {
            run(&[subcommand, target])
                .exits(code)
                .complains(words)
                .prints("");
        }
    }
}

#[test]
fn no_target_at_all() {
    for subcommand in ["wait", "kill", "id"] {
        run(&[subcommand]).exits(2).complains("no target given");
    }
}

#[test]
fn a_thread_id_is_no_process() {
    let threads = actor(&["thread-ends"]);
    let tid = word(threads.told_pid());
    for subcommand in ["wait", "kill"] {
        run(&[subcommand, "--missing", "ok", &tid])
            .exits(127)
            .complains(&format!("{tid} is a thread of process {}", pid(&threads)));
    }
}

#[test]
fn our_own_pid() {
    // The shell becomes exithand, so `$$` is its pid.
    let script = r#"exec "$0" wait $$"#;
    let output = Command::new("sh")
        .args(["-c", script])
        .arg(exithand().get_program())
        .output();
    Ran::from(output.unwrap())
        .exits(2)
        .complains("is the caller itself");
}

#[test]
fn a_token_of_the_past() {
    let mut actor = actor(&["exit-with", "1"]);
    actor.wait_zombie();
    let token = run(&["id", "--boot", &pid(&actor)])
        .exits(0)
        .stdout
        .trim()
        .to_owned();
    run(&["wait", &token]).exits(0);
    actor.wait();
    run(&["wait", &token])
        .exits(127)
        .complains(&format!("process {token} has ended"));
    run(&["wait", "--missing", "ok", &token]).exits(0);
    let (name, _) = token.split_once('@').unwrap();
    let other = format!("{name}@00000000-0000-0000-0000-000000000000");
    run(&["wait", &other])
        .exits(127)
        .complains("from another boot");
}

#[test]
fn a_token_never_names_another_process_with_the_same_pid() {
    let hung = actor(&["hang"]);
    let token = run(&["id", &pid(&hung)]).exits(0).stdout.trim().to_owned();
    let separator = if token.contains(':') { ':' } else { '~' };
    let (pid, number) = token.split_once(separator).unwrap();
    let earlier = number.parse::<u64>().unwrap() - 1;
    for subcommand in ["wait", "kill"] {
        let ran = run(&[
            subcommand,
            &format!("{pid}{separator}{earlier}"),
            "--timeout",
            "0",
        ]);
        assert_ne!(ran.code, 0, "{ran:?}");
        assert!(!ran.stdout.contains(pid), "{ran:?}");
    }
    run(&["wait", "--timeout", "0", &token]).exits(124);
}

#[test]
fn malformed_options() {
    for (args, words) in [
        (&["--timeout", "soon"][..], "soon"),
        (&["--timeout", "-1"], "-1"),
        (
            &["--timeout", "99999999999999999999d"],
            "99999999999999999999d",
        ),
        (&["--grace", "1x"], "1x"),
        (&["--until", "dead"], "ended"),
        (&["--count", "0"], "--count 0"),
        (
            &["--count", "2"],
            "--count 2 is more than the 1 target given",
        ),
        (&["--count", "-1"], "-1"),
        (&["--any", "--count", "1"], "--count"),
        (&["--json", "--quiet"], "--quiet"),
        (&["--missing", "perhaps"], "perhaps"),
        (&["--name", "("], "("),
        (&["--full", "[z-a]"], "[z-a]"),
        (&["--user", "no-such-user-here"], "no-such-user-here"),
        (&["--group", "no-such-group-here"], "no-such-group-here"),
        (&["--newest", "--oldest"], "--oldest"),
    ] {
        let args = [&["wait", "1"], args].concat();
        run(&args).exits(2).complains(words).prints("");
    }
    for args in [
        &["kill", "-s", "NOPE", "1"][..],
        &["kill", "--then", "NOPE", "1"],
    ] {
        run(args).exits(2).complains("NOPE");
    }
}

#[test]
fn pid_files_that_name_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &[u8]| {
        let path = dir.path().join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    for (path, code) in [
        (file("empty", b""), 2),
        (file("rubbish", b"not a pid\n"), 2),
        (file("binary", b"\x00\xff\x1b[31m"), 2),
        (file("zero", b"0\n"), 2),
        (file("negative", b"-4\n"), 2),
        (file("huge", b"99999999999\n"), 2),
        (dir.path().to_str().unwrap().to_owned(), 2),
        (dir.path().join("absent").to_str().unwrap().to_owned(), 127),
    ] {
        let ran = run(&["wait", "--pidfile", &path])
            .exits(code)
            .complains(&path)
            .prints("");
        assert!(!ran.stderr.contains('\x1b'), "{ran:?}");
    }
    let absent = dir.path().join("absent").to_str().unwrap().to_owned();
    run(&["wait", "--missing", "ok", "--pidfile", &absent]).exits(0);
}

#[test]
fn a_selection_that_matches_nothing() {
    let name = "^no-process-is-called-this$";
    for subcommand in ["wait", "kill", "id"] {
        run(&[subcommand, "--name", name])
            .exits(127)
            .complains(name)
            .prints("");
    }
    run(&["wait", "--missing", "ok", "--name", name])
        .exits(0)
        .prints("");
}

#[test]
fn too_few_descriptors_for_all_targets() {
    let actors: Vec<_> = (0..12).map(|_| actor(&["hang"])).collect();
    let pids: Vec<String> = actors.iter().map(pid).collect();
    let mut command = with_descriptor_limit(12, exithand());
    let output = command.arg("wait").args(&pids).output().unwrap();
    Ran::from(output)
        .exits(125)
        .complains("12 targets")
        .complains("ulimit -n")
        .prints("");
}

#[test]
fn nowhere_to_print_to() {
    let mut ended = actor(&["exit-with", "0"]);
    ended.wait_zombie();
    let target = pid(&ended);
    let closed = |args: &str| {
        let script = format!("exec \"$0\" {args} {target} >&-");
        let program = exithand().get_program().to_owned();
        Ran::from(
            Command::new("sh")
                .args(["-c", &script])
                .arg(program)
                .output()
                .unwrap(),
        )
    };
    closed("wait")
        .exits(125)
        .complains("standard output is closed");
    closed("wait --quiet").exits(0);

    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = exithand()
        .args(["wait", &target])
        .stdout(writer)
        .stderr(Stdio::piped())
        .output();
    Ran::from(output.unwrap())
        .exits(125)
        .complains("standard output");
    ended.wait();
}

#[test]
fn a_full_disk() {
    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let mut ended = actor(&["exit-with", "0"]);
    ended.wait_zombie();
    let output = exithand()
        .args(["wait", &pid(&ended)])
        .stdout(full)
        .output()
        .unwrap();
    Ran::from(output).exits(125).complains("No space left");
    ended.wait();
}
