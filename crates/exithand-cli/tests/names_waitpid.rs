//! The drop-in `waitpid`, run on real processes.

mod names_support;

use std::fs::File;

use exithand_testkit::{Need, actor, need, with_descriptor_limit};
use names_support::{ABSENT, Ran, Tools, number, ran};
use rustix::io::retry_on_intr;
use rustix::process::{
    PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal, waitid,
};

#[test]
fn waits_for_all_and_says_so() {
    let tools = Tools::new();
    let (mut first, mut second) = (actor(&["hang"]), actor(&["wait-then-exit", "3"]));
    let (one, two) = (number(&first), number(&second));
    let mut waitpid = tools.start(&["waitpid", "-v", &one, &two]);
    first.kill();
    assert_eq!(waitpid.read_line(), format!("PID {one} finished\n"));
    first.wait();
    assert!(
        waitpid.is_waiting(),
        "the end and the reap of one process are not two"
    );
    second.release();
    let said = format!("PID {two} finished\n");
    assert_eq!(waitpid.finish(), ran(0, &said, ""), "a zombie has finished");
}

#[test]
fn gives_up_after_the_timeout() {
    let tools = Tools::new();
    let mut actor = actor(&["hang"]);
    let pid = number(&actor);
    for (line, said) in [
        (vec!["waitpid", "-t", "0.02", &pid], ""),
        (
            vec!["waitpid", "-v", "--timeout=0.02", &pid],
            "Timeout expired\n",
        ),
        (vec!["waitpid", "-t0", &pid], ""),
        (
            vec!["waitpid", "-t", "0", "-v", "-c1", &pid],
            "Timeout expired\n",
        ),
    ] {
        assert_eq!(tools.run(&line), ran(3, said, ""), "{line:?}");
    }
    actor.kill();
    actor.wait_zombie();
    let line = ["waitpid", "-t", "0", &pid];
    assert_eq!(
        tools.run(&line),
        ran(0, "", ""),
        "it has ended, so it is seen"
    );
}

#[test]
fn one_absent_process_fails_before_the_others_are_waited_for() {
    let tools = Tools::new();
    let actor = actor(&["hang"]);
    let pid = number(&actor);
    let err = format!("waitpid: could not open PID {ABSENT}: No such process\n");
    for line in [
        ["waitpid", &pid, ABSENT],
        ["waitpid", ABSENT, &pid],
        ["waitpid", "-c1", ABSENT],
    ] {
        assert_eq!(tools.run(&line), ran(1, "", &err), "{line:?}");
    }
}

#[test]
fn exited_processes_count_as_finished_where_allowed() {
    let tools = Tools::new();
    let actor = actor(&["hang"]);
    let pid = number(&actor);
    let skipped = format!("waitpid: PID {ABSENT} has exited, skipping\n");
    for (line, expected) in [
        (vec!["waitpid", "-e", ABSENT], ran(0, "", "")),
        (vec!["waitpid", "-ve", ABSENT], ran(0, "", &skipped)),
        // What was gone a moment before the start counts like what goes a moment after it.
        (
            vec!["waitpid", "-e", "-c", "1", ABSENT, &pid],
            ran(0, "", ""),
        ),
        (
            vec!["waitpid", "-e", "-c2", "-t0", ABSENT, &pid],
            ran(3, "", ""),
        ),
        (vec!["waitpid", "-e", "-t0", ABSENT, &pid], ran(3, "", "")),
    ] {
        assert_eq!(tools.run(&line), expected, "{line:?}");
    }
}

#[test]
fn takes_a_pid_with_its_inode() {
    need!(Need::Pidfs);
    let tools = Tools::new();
    let mut gone = actor(&["hang"]);
    let pid = number(&gone);
    let token = tools.run(&["getino", "-p", &pid]).out.trim_end().to_owned();
    let other = format!("{pid}:1");
    assert_eq!(tools.run(&["waitpid", "-t0", &token]), ran(3, "", ""));
    let open = format!("waitpid: could not open PID {pid}: No such process\n");
    assert_eq!(tools.run(&["waitpid", &other]), ran(1, "", &open));

    gone.kill();
    gone.wait_zombie();
    assert_eq!(
        tools.run(&["waitpid", "-t0", &token]),
        ran(0, "", ""),
        "a zombie"
    );
    gone.wait();
    assert_eq!(tools.run(&["waitpid", &token]), ran(1, "", &open), "reaped");
    assert_eq!(
        tools.run(&["waitpid", "-e", &token]),
        ran(0, "", ""),
        "reaped, and allowed"
    );
    let inode = token.split_once(':').unwrap().1;
    let err = format!(
        "waitpid: pidfd inode {inode} not found for PID {pid}\n\
         waitpid: PID {pid} has exited, skipping\n"
    );
    assert_eq!(tools.run(&["waitpid", "-ev", &token]), ran(0, "", &err));
}

#[test]
fn an_inode_of_another_pid_names_nobody() {
    need!(Need::Pidfs);
    let tools = Tools::new();
    let (one, two) = (actor(&["hang"]), actor(&["hang"]));
    let inode = tools.run(&["getino", &number(&one)]).out;
    let mixed = format!("{}:{}", number(&two), inode.trim_end());
    assert_eq!(tools.run(&["waitpid", "-e", &mixed]), ran(0, "", ""));
    assert_eq!(tools.run(&["waitpid", &mixed]).code, Some(1));
}

#[test]
fn a_process_named_twice_is_one() {
    need!(Need::Pidfs);
    let tools = Tools::new();
    let (mut one, two) = (actor(&["hang"]), actor(&["hang"]));
    let (pid, other) = (number(&one), number(&two));
    let token = tools.run(&["getino", "-p", &pid]).out.trim_end().to_owned();
    let few = "waitpid: can't wait for 2 of 1 PIDs\n";
    for line in [
        ["waitpid", "-c2", &pid, &pid],
        ["waitpid", "-c2", &pid, &token],
        ["waitpid", "-ec2", ABSENT, ABSENT],
    ] {
        assert_eq!(tools.run(&line), ran(1, "", few), "{line:?}");
    }
    one.kill();
    one.wait_zombie();
    let line = ["waitpid", "-c2", "-t0", &pid, &pid, &token, &other];
    assert_eq!(tools.run(&line), ran(3, "", ""), "one end is not two");
}

#[test]
fn count_stops_at_so_many() {
    let tools = Tools::new();
    let (mut one, mut two) = (actor(&["hang"]), actor(&["hang"]));
    let (first, second) = (number(&one), number(&two));
    let mut waitpid = tools.start(&["waitpid", "-v", "-c", "1", &first, &second]);
    one.kill();
    assert_eq!(waitpid.read_line(), format!("PID {first} finished\n"));
    assert_eq!(waitpid.finish(), ran(0, "", ""));
    two.kill();
    two.wait_zombie();
    one.wait_zombie();
    let both = tools.run(&["waitpid", "-v", "-c1", &first, &second]);
    assert_eq!(
        (both.code, both.out.lines().count()),
        (Some(0), 1),
        "one is what was asked"
    );
}

#[test]
fn refuses_itself_and_threads_at_once() {
    let tools = Tools::new();
    let own = Ran::of(&mut tools.after("set -- \"$1\" $$", &["waitpid"]));
    assert_eq!(own.code, Some(1));
    assert!(
        own.err.contains("waiting for oneself never ends"),
        "{}",
        own.err
    );

    // A test runs in a thread of its own: `PID/task/TID`.
    let thread = std::fs::read_link("/proc/thread-self").unwrap();
    let (process, tid) = (
        std::process::id(),
        thread.file_name().unwrap().to_str().unwrap(),
    );
    let err = format!(
        "waitpid: could not open PID {tid}: {tid} is a thread of process {process}, \
         not a process: wait for {process} instead\n"
    );
    assert_eq!(tools.run(&["waitpid", tid]), ran(1, "", &err));
    assert_eq!(tools.run(&["waitpid", "-e", tid]), ran(1, "", &err));
}

#[test]
fn out_of_descriptors_is_a_failure() {
    let tools = Tools::new();
    let actors: Vec<_> = (0..20).map(|_| actor(&["hang"])).collect();
    let pids: Vec<String> = actors.iter().map(number).collect();
    let mut line = vec!["waitpid", "-t0"];
    line.extend(pids.iter().map(String::as_str));
    let few = Ran::of(&mut with_descriptor_limit(12, tools.command(&line)));
    assert_eq!(few.code, Some(1));
    assert!(
        few.err.contains("out of file descriptors (limit 12)"),
        "{}",
        few.err
    );
    assert!(
        few.err.contains("20 processes need one each"),
        "{}",
        few.err
    );

    let soft = Ran::of(&mut tools.after("ulimit -S -n 12", &line));
    assert_eq!(soft, ran(3, "", ""), "a soft limit is raised");
}

#[test]
fn a_stop_and_a_continue_in_between_change_nothing() {
    let tools = Tools::new();
    let (mut first, mut second) = (actor(&["hang"]), actor(&["hang"]));
    let (one, two) = (number(&first), number(&second));
    let mut waitpid = tools.start(&["waitpid", "-v", "-t", "600", &one, &two]);
    let pidfd = pidfd_open(waitpid.pid(), PidfdFlags::empty()).unwrap();
    first.kill();
    waitpid.read_line();
    for _ in 0..5 {
        pidfd_send_signal(&pidfd, Signal::STOP).unwrap();
        retry_on_intr(|| waitid(WaitId::Pid(waitpid.pid()), WaitIdOptions::STOPPED)).unwrap();
        pidfd_send_signal(&pidfd, Signal::CONT).unwrap();
        retry_on_intr(|| waitid(WaitId::Pid(waitpid.pid()), WaitIdOptions::CONTINUED)).unwrap();
    }
    assert!(waitpid.is_waiting());
    second.kill();
    assert_eq!(
        waitpid.finish(),
        ran(0, &format!("PID {two} finished\n"), "")
    );
}

#[test]
fn bad_usage_is_a_failure_with_the_messages_of_util_linux() {
    let tools = Tools::new();
    let help = "Try 'waitpid --help' for more information.\n";
    for (line, err) in [
        (vec!["waitpid"], "waitpid: no PIDs specified\n".to_owned()),
        (
            vec!["waitpid", "-z", "1"],
            format!("waitpid: invalid option -- 'z'\n{help}"),
        ),
        (
            vec!["waitpid", "--wrong", "1"],
            format!("waitpid: unrecognized option '--wrong'\n{help}"),
        ),
        (
            vec!["waitpid", "1", "-t"],
            format!("waitpid: option requires an argument -- 't'\n{help}"),
        ),
        (
            vec!["waitpid", "-t", "soon", "1"],
            "waitpid: invalid timeout: 'soon'\n".to_owned(),
        ),
        (
            vec!["waitpid", "-c", "2", "1"],
            "waitpid: can't wait for 2 of 1 PIDs\n".to_owned(),
        ),
        (
            vec!["waitpid", "1", "pid"],
            "waitpid: failed to parse PID argument 'pid': Invalid argument\n".to_owned(),
        ),
        (
            vec!["waitpid", "-c1", "0"],
            "waitpid: failed to parse PID argument '0': Numerical result out of range\n".to_owned(),
        ),
    ] {
        assert_eq!(tools.run(&line), ran(1, "", &err), "{line:?}");
    }
}

#[test]
fn help_and_version_go_to_standard_output() {
    let tools = Tools::new();
    for name in ["waitpid", "getino"] {
        let help = tools.run(&[name, "--help"]);
        assert_eq!((help.code, help.err.as_str()), (Some(0), ""));
        assert!(
            help.out
                .starts_with(&format!("\nUsage:\n {name} [options] ")),
            "{}",
            help.out
        );
        let version = tools.run(&[name, "-V"]);
        assert_eq!((version.code, version.err.as_str()), (Some(0), ""));
        assert!(
            version.out.starts_with(&format!("{name} from exithand ")),
            "{}",
            version.out
        );
        assert!(
            version.out.ends_with("for util-linux 2.42\n"),
            "{}",
            version.out
        );
    }
    let full = File::options().write(true).open("/dev/full").unwrap();
    let lost = tools
        .command(&["waitpid", "-h"])
        .stdout(full)
        .output()
        .unwrap();
    let err = "waitpid: write error: No space left on device\n";
    assert_eq!(Ran::from(lost), ran(1, "", err));
}
