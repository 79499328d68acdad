use super::*;

use crate::select::{Case, Clock, Extent, Hierarchy, Membership};

const OWN: i32 = 1000;
const CLOCK: Clock = Clock {
    since_boot: Duration::from_secs(100),
    ticks_per_second: 100,
};

fn pid(number: i32) -> Pid {
    Pid::from_raw(number).unwrap()
}

fn process(number: i32, parent: i32, comm: &[u8]) -> Facts {
    Facts {
        pid: pid(number),
        ppid: Pid::from_raw(parent),
        pgrp: Pid::from_raw(number),
        session: Pid::from_raw(number),
        tty: None,
        comm: comm.to_vec(),
        cmdline: Vec::new(),
        uid: 0,
        euid: 0,
        gid: 0,
        start_ticks: u64::try_from(number).unwrap(),
        state: b'S',
        cgroups: Vec::new(),
    }
}

fn table(processes: impl IntoIterator<Item = Facts>) -> Table {
    Table::new(processes, pid(OWN), CLOCK)
}

/// init, a kernel thread, a shell with two cats, a script that called us, and us.
fn machine() -> Table {
    let mut shell = process(10, 1, b"sh");
    shell.tty = Some("pts/0".into());
    shell.cmdline = vec![b"-sh".to_vec()];
    let mut cat = process(11, 10, b"cat");
    cat.cmdline = vec![b"cat".to_vec(), b"a b".to_vec()];
    (cat.euid, cat.uid, cat.gid) = (5, 6, 7);
    let mut zombie = process(12, 10, b"cat");
    zombie.state = b'Z';
    table([
        process(1, 0, b"init"),
        process(2, 0, b"kthreadd"),
        process(3, 2, b"kworker/0:0"),
        shell,
        cat,
        zombie,
        process(999, 10, b"script"),
        process(OWN, 999, b"exithand"),
    ])
}

fn patterns(texts: &[&str], extent: Extent) -> Patterns {
    let sources = texts.iter().map(|text| text.parse().unwrap()).collect();
    Patterns::new(sources, extent, Case::Distinct).unwrap()
}

fn chosen(selector: &Selector, table: &Table) -> Vec<i32> {
    let number = |pid: Pid| pid.as_raw_nonzero().get();
    choose(selector, table).into_iter().map(number).collect()
}

#[test]
fn an_empty_selector_means_all_but_ourselves() {
    let all = chosen(&Selector::default(), &machine());
    assert_eq!(all, [1, 2, 3, 10, 11, 12, 999]);
}

/// What to ask of the machine, and who is found.
type Question = (fn(&mut Selector), &'static [i32]);

/// Checks one selector after another against the same machine.
fn check(questions: &[Question]) {
    for (ask, expected) in questions {
        let mut selector = Selector::default();
        ask(&mut selector);
        assert_eq!(&chosen(&selector, &machine()), expected, "{selector:?}");
    }
}

#[test]
fn names_and_command_lines() {
    use Extent::{Part, Whole};
    check(&[
        (|it| it.names = Some(patterns(&["k"], Part)), &[2, 3]),
        (|it| it.names = Some(patterns(&["cat"], Whole)), &[11, 12]),
        (|it| it.names = Some(patterns(&["ca"], Whole)), &[]),
        (
            |it| it.names = Some(patterns(&["sh", "init"], Whole)),
            &[1, 10],
        ),
        (|it| it.names = Some(patterns(&["exithand"], Whole)), &[]),
        (|it| it.full = Some(patterns(&["^cat a b$"], Part)), &[11]),
        (|it| it.full = Some(patterns(&["cat a b"], Whole)), &[11]),
        (|it| it.full = Some(patterns(&["kthread"], Part)), &[2]),
        (
            |it| it.full = Some(patterns(&[r"\[kthreadd\]"], Whole)),
            &[2],
        ),
        (|it| it.full = Some(patterns(&["<defunct>"], Part)), &[12]),
    ]);
}

#[test]
fn users_groups_and_numbers() {
    check(&[
        (|it| it.users = vec![5], &[11]),
        (|it| it.users = vec![6], &[]),
        (|it| it.real_users = vec![6], &[11]),
        (|it| it.groups = vec![7, 8], &[11]),
        (|it| it.pids = vec![pid(11), pid(77)], &[11]),
        (|it| it.pids = vec![pid(OWN)], &[]),
        (|it| it.parents = vec![Pid::from_raw(10)], &[11, 12, 999]),
        (|it| it.parents = vec![None], &[1, 2]),
        (|it| it.sessions = vec![Pid::from_raw(10)], &[10]),
        (|it| it.pgroups = vec![Pid::from_raw(11)], &[11]),
        (|it| it.ttys = vec![Some("pts/0".into())], &[10]),
        (|it| it.ttys = vec![None], &[1, 2, 3, 11, 12, 999]),
        (|it| it.states = vec![b'Z', b'T'], &[12]),
    ]);
}

#[test]
fn ages() {
    // The clock is at 10000 ticks, and a process starts at the tick of its number.
    check(&[
        (
            |it| it.older_than = Some(Duration::from_millis(99_890)),
            &[1, 2, 3, 10, 11],
        ),
        (|it| it.older_than = Some(Duration::from_secs(1000)), &[]),
        (
            |it| it.older_than = Some(Duration::ZERO),
            &[1, 2, 3, 10, 11, 12, 999],
        ),
    ]);
}

fn root(number: i32) -> Root {
    Root {
        pid: pid(number),
        start_ticks: u64::try_from(number).unwrap(),
    }
}

fn tree(number: i32) -> Selector {
    Selector {
        trees: vec![root(number)],
        ..Selector::default()
    }
}

#[test]
fn trees_hold_their_root_and_all_descendants() {
    check(&[
        (|it| *it = tree(10), &[10, 11, 12, 999]),
        (|it| *it = tree(1), &[1, 10, 11, 12, 999]),
        (|it| *it = tree(2), &[2, 3]),
        (|it| *it = tree(12), &[12]),
        (|it| *it = tree(77), &[]),
        (|it| *it = tree(OWN), &[]),
        (|it| it.trees = vec![root(2), root(12)], &[2, 3, 12]),
    ]);
}

#[test]
fn a_tree_is_not_that_of_a_later_process_with_the_same_pid() {
    let mut selector = tree(10);
    selector.trees[0].start_ticks = 9;
    assert_eq!(chosen(&selector, &machine()), [0; 0]);
}

#[test]
fn cycles_end() {
    let mut loops = [
        process(20, 21, b"a"),
        process(21, 20, b"b"),
        process(22, 22, b"c"),
    ];
    for facts in &mut loops {
        facts.start_ticks = 5;
    }
    let table = table(loops);
    assert_eq!(chosen(&tree(30), &table), [0; 0]);
    let mut selector = tree(20);
    selector.trees[0].start_ticks = 5;
    assert_eq!(chosen(&selector, &table), [20, 21]);
}

#[test]
fn a_parent_younger_than_its_child_is_somebody_else() {
    let mut parent = process(20, 1, b"new");
    parent.start_ticks = 50;
    let mut child = process(21, 20, b"child");
    child.start_ticks = 40;
    let mut selector = tree(20);
    selector.trees[0].start_ticks = 50;
    assert_eq!(chosen(&selector, &table([parent, child])), [20]);
}

#[test]
fn cgroups_of_any_hierarchy() {
    let mut facts = process(20, 1, b"a");
    let at = |controllers: &[u8], path: &[u8]| Membership {
        controllers: controllers.to_vec(),
        path: path.to_vec(),
    };
    facts.cgroups = vec![at(b"memory", b"/m/x"), at(b"", b"/u/\xff")];
    let table = table([facts, process(21, 1, b"b")]);
    let selector = |name: &[u8]| Selector {
        cgroups: vec![CgroupChoice {
            hierarchy: Hierarchy::Any,
            names: vec![name.to_vec()],
        }],
        ..Selector::default()
    };
    assert_eq!(chosen(&selector(b"m"), &table), [20]);
    assert_eq!(chosen(&selector(b"u"), &table), [20]);
    assert_eq!(chosen(&selector(b"x"), &table), [0; 0]);
}

#[test]
fn kinds_must_all_be_met_and_can_be_turned_round() {
    let mut selector = Selector {
        names: Some(patterns(&["cat", "sh"], Extent::Whole)),
        parents: vec![Pid::from_raw(10)],
        states: vec![b'S'],
        ..Selector::default()
    };
    assert_eq!(chosen(&selector, &machine()), [11]);
    selector.sense = Sense::Unlike;
    assert_eq!(
        chosen(&selector, &machine()),
        [1, 2, 3, 10, 12, 999],
        "still not ourselves"
    );
}

#[test]
fn ancestors_of_ours_can_be_left_out() {
    let mut selector = tree(1);
    selector.ancestors = Ancestors::Excluded;
    assert_eq!(chosen(&selector, &machine()), [11, 12]);
    selector.sense = Sense::Unlike;
    assert_eq!(
        chosen(&selector, &machine()),
        [2, 3],
        "also when turned round"
    );
    let unseen = table([process(1, 0, b"init")]);
    selector.sense = Sense::Like;
    assert_eq!(
        chosen(&selector, &unseen),
        [1],
        "we are hidden from ourselves"
    );
}

#[test]
fn the_newest_and_the_oldest() {
    let mut twins = [
        process(20, 1, b"a"),
        process(21, 1, b"b"),
        process(22, 1, b"c"),
    ];
    twins[0].start_ticks = 5;
    twins[1].start_ticks = 5;
    twins[2].start_ticks = 4;
    let table = table(twins);
    let pick = |pick| Selector {
        pick,
        ..Selector::default()
    };
    assert_eq!(
        chosen(&pick(Pick::Newest), &table),
        [21],
        "the higher pid of one tick"
    );
    assert_eq!(chosen(&pick(Pick::Oldest), &table), [22]);
    let twins = table_of_one_tick();
    assert_eq!(
        chosen(&pick(Pick::Oldest), &twins),
        [20],
        "the lower pid of one tick"
    );
}

fn table_of_one_tick() -> Table {
    let mut twins = [process(20, 1, b"a"), process(21, 1, b"b")];
    for twin in &mut twins {
        twin.start_ticks = 5;
    }
    table(twins)
}

#[test]
fn odd_names_are_matched_as_bytes() {
    let table = table([
        process(20, 1, b"a) S 1 (b"),
        process(21, 1, b"\xff\xfe"),
        process(22, 1, b"x\ny"),
        process(23, 1, b""),
    ]);
    let named = |text: &str| {
        let selector = Selector {
            names: Some(patterns(&[text], Extent::Whole)),
            ..Selector::default()
        };
        chosen(&selector, &table)
    };
    assert_eq!(named(r"a\) S 1 \(b"), [20]);
    assert_eq!(named(r"(?-u:\xff\xfe)"), [21]);
    assert_eq!(named("x.y"), [22]);
    assert_eq!(named("x*"), [23]);
}

#[test]
fn command_lines_are_read_only_if_asked_for() {
    let full = Selector {
        full: Some(patterns(&["x"], Extent::Part)),
        ..Selector::default()
    };
    assert_eq!(full.detail(), Detail::Full);
    assert_eq!(tree(1).detail(), Detail::Brief);
}
