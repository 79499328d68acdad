//! Kills among processes of our own, compared with `wait(2)`.

mod arena;

use std::thread;

use arena::{config, events, full_disk, inside, memory_cgroup, options, run_until, short_of};
use exithand_lowmem::daemon::Daemon;
use exithand_lowmem::record::Mode;
use exithand_testkit::sys::signal_thread;
use exithand_testkit::{Need, actor, need, run_isolated, test_name};
use rustix::process::Signal;
use rustix::thread::gettid;

#[test]
fn the_smallest_member_that_covers_the_deficit_of_a_cgroup_dies() {
    need!(Need::CgroupV1Memory);
    run_isolated(test_name!(), || {
        let cgroup = memory_cgroup();
        let outsider = actor(&["hold", "600"]);
        let small = inside(&cgroup, &["hold", "20"]);
        let mut hog = inside(&cgroup, &["hold", "380"]);
        let told = run_until(&config(&cgroup, ""), "\"outcome\"", 1);
        assert_eq!(hog.wait(), 9);
        assert!(told.contains("\"why\":\"cgroup-limit\""), "{told}");
        for mut spared in [outsider, small] {
            assert_eq!(spared.try_wait().expect("look"), None, "{told}");
        }
    });
}

#[test]
fn whoever_handles_term_is_asked_and_has_its_time() {
    need!(Need::CgroupV1Memory);
    run_isolated(test_name!(), || {
        let cgroup = memory_cgroup();
        let mut polite = inside(&cgroup, &["hold", "300", "obey-term"]);
        let told = run_until(
            &config(&cgroup, "[kill]\ngrace = \"60s\"\n"),
            "\"outcome\"",
            1,
        );
        assert_eq!(polite.wait(), 0x0300, "{told}");
        assert!(told.contains("\"means\":\"ask\""), "{told}");
        assert!(told.contains("\"release\":\"not-tried\""), "{told}");
    });
}

#[test]
fn whoever_takes_too_long_is_killed() {
    need!(Need::CgroupV1Memory);
    run_isolated(test_name!(), || {
        let cgroup = memory_cgroup();
        let mut stubborn = inside(&cgroup, &["hold", "300", "handle-term"]);
        let told = run_until(
            &config(&cgroup, "[kill]\ngrace = \"20ms\"\n"),
            "\"outcome\"",
            1,
        );
        assert_eq!(stubborn.wait(), 9, "{told}");
        assert!(told.contains("\"notice\":\"escalated\""), "{told}");
    });
}

#[test]
fn the_least_important_class_goes_first() {
    need!(Need::CgroupV1Memory);
    run_isolated(test_name!(), || {
        let cgroup = memory_cgroup();
        let important = inside(&cgroup, &["hold", "260"]);
        let mut expendable = inside(&cgroup, &["hold", "130"]);
        let path = format!("/proc/{}/oom_score_adj", expendable.pid());
        std::fs::write(path, "900").expect("raise its oom_score_adj");
        let told = run_until(&config(&cgroup, ""), "\"outcome\"", 1);
        assert_eq!(expendable.wait(), 9, "{told}");
        drop(important);
    });
}

#[test]
fn a_protected_process_is_spared_and_nobody_else_is_there() {
    need!(Need::CgroupV1Memory);
    run_isolated(test_name!(), || {
        let cgroup = memory_cgroup();
        let mut hog = inside(&cgroup, &["hold", "380"]);
        let rule = "[[rule]]\nname = \"exithand-act*\"\naction = \"protect\"\n";
        let told = run_until(&config(&cgroup, rule), "nobody-to-kill", 1);
        assert_eq!(hog.try_wait().expect("look"), None, "{told}");
    });
}

#[test]
fn two_that_are_needed_die_and_no_third() {
    need!(Need::CgroupV1Memory);
    run_isolated(test_name!(), || {
        let cgroup = memory_cgroup();
        let members: Vec<_> = (0..6).map(|_| inside(&cgroup, &["hold", "75"])).collect();
        let told = run_until(
            &config(&cgroup, "[kill]\ngrace = \"0s\"\n"),
            "\"outcome\"",
            3,
        );
        let count = |mut it: exithand_testkit::Actor| it.try_wait().expect("look").is_some();
        let dead = members.into_iter().map(count).filter(|dead| *dead).count();
        // 450 of 512 MiB are taken, 256 have to be free: three make 287.
        assert_eq!(dead, 3, "{told}");
    });
}

#[test]
fn two_with_one_memory_die_by_one_decision_and_nobody_in_vain() {
    need!(Need::CgroupV1Memory);
    run_isolated(test_name!(), || {
        let cgroup = memory_cgroup();
        let mut bystander = inside(&cgroup, &["hold", "60"]);
        let mut one = inside(&cgroup, &["hold", "320", "share"]);
        let told = run_until(
            &config(&cgroup, "[kill]\ngrace = \"0s\"\n"),
            "\"outcome\"",
            2,
        );
        assert_eq!(one.wait(), 9, "{told}");
        assert_eq!(bystander.try_wait().expect("look"), None, "{told}");
        let dead: Vec<_> = events(&told, "outcome")
            .iter()
            .map(|it| it["pid"].clone())
            .collect();
        for sharer in [one.pid(), one.told_pid()] {
            assert!(
                dead.contains(&sharer.as_raw_nonzero().get().into()),
                "{told}"
            );
        }
        assert_eq!(events(&told, "decision").len(), 1, "{told}");
    });
}

#[test]
fn nobody_dies_for_memory_that_a_spared_one_has_too() {
    need!(Need::CgroupV1Memory);
    run_isolated(test_name!(), || {
        let cgroup = memory_cgroup();
        let mut other = inside(&cgroup, &["hold", "200"]);
        let mut one = inside(&cgroup, &["hold", "230", "share"]);
        let rule = "[[rule]]\nname = \"exithand-sharer\"\naction = \"protect\"\n";
        let told = run_until(&config(&cgroup, rule), "\"outcome\"", 1);
        assert_eq!(other.wait(), 9, "{told}");
        assert_eq!(one.try_wait().expect("look"), None, "{told}");
    });
}

#[test]
fn whoever_replaces_each_victim_dies_with_all_of_them_and_nobody_else() {
    need!(Need::CgroupV1Memory);
    run_isolated(test_name!(), || {
        let cgroup = memory_cgroup();
        let mut bystander = inside(&cgroup, &["hold", "30"]);
        let mut pool = inside(&cgroup, &["pool", "9", "40"]);
        let told = run_until(
            &config(&cgroup, "[kill]\ngrace = \"0s\"\n"),
            "\"family\"",
            1,
        );
        assert_eq!(pool.wait(), 9, "{told}");
        assert_eq!(bystander.try_wait().expect("look"), None, "{told}");
    });
}

#[test]
fn a_full_disk_does_not_stop_it() {
    run_isolated(test_name!(), || {
        let mut hog = actor(&["hold", "600"]);
        let killer = gettid();
        let pid = hog.pid();
        let stop = thread::spawn(move || {
            exithand_testkit::wait_ended(pid).expect("wait for the hog");
            signal_thread(killer, Signal::TERM).expect("the killer runs");
        });
        let config = short_of(300);
        let started = Daemon::start(&config, options(full_disk(), Mode::Live));
        started.expect("start the killer").run();
        stop.join().expect("the hog has died");
        assert_eq!(hog.wait(), 9);
    });
}

#[test]
fn a_dry_run_kills_nobody_and_says_so_once() {
    run_isolated(test_name!(), || {
        let mut hog = actor(&["hold", "600"]);
        let (reader, writer) = std::io::pipe().expect("make a pipe");
        let told = arena::stop_after(reader, "\"mode\":\"dry-run\"", 1);
        let started = Daemon::start(&short_of(300), options(writer.into(), Mode::DryRun));
        started.expect("start the killer").run();
        let told = arena::text(told);
        assert_eq!(hog.try_wait().expect("look"), None, "{told}");
    });
}
