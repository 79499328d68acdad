//! What is missing is said.

use exithand_recorder::store::{Retention, StoreWriter};
use exithand_recorder::{Event, Filter, Gap, History, LossCause, Order, Query};

use crate::support::{FakeClock, Folder, NOW, SECOND, at, exits, gap, oldest_first, plain, plains};

#[test]
fn the_time_without_a_recorder_is_a_gap() {
    let folder = Folder::new();
    let mut first = folder.writer();
    first.begin(at(NOW)).unwrap();
    first.append(&plains(0..10)).unwrap();
    first.end(at(NOW + SECOND)).unwrap();
    assert_eq!(folder.all().gaps, [], "nobody knows of a time before");

    let mut second = folder.writer();
    second.begin(at(NOW + 60 * SECOND)).unwrap();
    // Dies without a word; its last record tells how far it got.
    let last = 70_000;
    second.append(&exits(&[plain(last)])).unwrap();
    drop(second);
    let mut third = folder.writer();
    third.begin(at(NOW + 90 * SECOND)).unwrap();

    let cause = LossCause::NotRunning;
    let died = plain(last).ended.unix_ns;
    assert_eq!(
        folder.all().gaps,
        [
            gap(NOW + SECOND, NOW + 60 * SECOND, None, cause),
            gap(died, NOW + 90 * SECOND, None, cause),
        ]
    );
}

#[test]
fn a_recorder_that_was_idle_says_how_far_it_got() {
    let folder = Folder::new();
    let mut first = folder.writer();
    first.begin(at(NOW)).unwrap();
    first.mark_alive(at(NOW + 100 * SECOND)).unwrap();
    drop(first);
    let clock = FakeClock::new();
    clock.set_wall(at(NOW + 110 * SECOND));
    let open = |clock: &FakeClock| {
        let clock = Box::new(clock.clone());
        StoreWriter::open_at(&folder.store(), Retention::default(), clock).unwrap()
    };
    // Begins by itself.
    open(&clock).append(&plains(0..1)).unwrap();
    let expected = gap(
        NOW + 100 * SECOND,
        NOW + 110 * SECOND,
        None,
        LossCause::NotRunning,
    );
    assert_eq!(folder.all().gaps, [expected]);
}

#[test]
fn gaps_that_nothing_tells_apart_are_one() {
    let folder = Folder::new();
    let ring = |from, to, lost| Event::Gap(gap(from, to, Some(lost), LossCause::RingFull));
    let mut events = vec![ring(NOW, NOW + 1, 3), ring(NOW + SECOND, NOW + SECOND, 4)];
    events.push(ring(NOW + 10 * SECOND, NOW + 11 * SECOND, 5));
    events.push(Event::Gap(gap(
        NOW + 11 * SECOND,
        NOW + 11 * SECOND,
        None,
        LossCause::SocketFull,
    )));
    folder.writer().append(&events).unwrap();
    assert_eq!(
        folder.all().gaps,
        [
            gap(NOW, NOW + SECOND, Some(7), LossCause::RingFull),
            gap(
                NOW + 10 * SECOND,
                NOW + 11 * SECOND,
                Some(5),
                LossCause::RingFull
            ),
            gap(
                NOW + 11 * SECOND,
                NOW + 11 * SECOND,
                None,
                LossCause::SocketFull
            ),
        ]
    );
}

#[test]
fn an_answer_has_the_gaps_of_the_time_that_was_looked_through() {
    let folder = Folder::new();
    let lost = |second: i64| {
        let time = NOW + second * SECOND;
        gap(time, time, Some(1), LossCause::RingFull)
    };
    let mut events = Vec::new();
    // A record every second, gaps at 0, 10 and 20.
    for second in 0..30 {
        events.extend(exits(&[plain(second * 1000)]));
        if second.is_multiple_of(10) {
            events.push(Event::Gap(lost(second.into())));
        }
    }
    folder.writer().append(&events).unwrap();
    let store = folder.reader();
    let ask = |filter: Filter, order, limit| -> Vec<Gap> {
        let query = Query {
            filter,
            order,
            limit,
            after: None,
        };
        store.query(&query).unwrap().gaps
    };
    let any = Filter::default;
    assert_eq!(
        ask(any(), Order::Newest, 100),
        [lost(0), lost(10), lost(20)]
    );
    assert_eq!(ask(any(), Order::Newest, 1), []);
    // The newest pid 5001 ended at 5; what is lost since may have been another one.
    let pids = Filter {
        pids: vec![5001],
        ..any()
    };
    assert_eq!(ask(pids, Order::Newest, 1), [lost(0), lost(10), lost(20)]);
    assert_eq!(ask(any(), Order::Oldest, 5), [lost(0)]);
    let range = Filter {
        since: Some(at(NOW + 8 * SECOND)),
        until: Some(at(NOW + 15 * SECOND)),
        ..any()
    };
    assert_eq!(ask(range, Order::Newest, 100), [lost(10)]);

    let answer = store.query(&oldest_first(any())).unwrap();
    let doubtful: Vec<usize> = (0..30)
        .filter(|second| answer.has_gap_around(&answer.records[*second]))
        .collect();
    assert_eq!(doubtful, [0, 1, 9, 10, 11, 19, 20, 21]);
}
