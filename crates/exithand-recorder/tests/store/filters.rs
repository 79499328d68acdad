//! Filters in the store and filters on live records ask for the same.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::time::Duration;

use exithand_recorder::filter::is_failure;
use exithand_recorder::{
    ExitRecord, Filter, GroupBy, History, KillerFilter, OomFilter, Order, OutcomeKind, Pattern,
    Query, StatsQuery,
};
use proptest::option;
use proptest::prelude::*;

use crate::support::{Folder, NOW, SECOND, at, exits, oldest_first, record, signal, token, unit};

fn pattern() -> impl Strategy<Value = Pattern> {
    prop_oneof![
        prop::sample::select(vec!["sh", "*", "a*", "a\\*", "", "*n*", "ng", "c0*"])
            .prop_map(Pattern::new),
        unit().prop_map(|unit| Pattern::exactly(&unit)),
        ".{0,3}".prop_map(Pattern::new),
    ]
}

fn patterns() -> impl Strategy<Value = Vec<Pattern>> {
    prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec(pattern(), 1..3)]
}

fn seldom<T: Clone + std::fmt::Debug + 'static>(
    some: impl Strategy<Value = T> + 'static,
) -> impl Strategy<Value = Option<T>> {
    option::weighted(0.2, some)
}

fn few<T: Clone + std::fmt::Debug + 'static>(
    some: impl Strategy<Value = T> + 'static,
) -> impl Strategy<Value = Vec<T>> {
    seldom(prop::collection::vec(some, 1..3)).prop_map(Option::unwrap_or_default)
}

fn killer() -> impl Strategy<Value = KillerFilter> {
    prop_oneof![
        Just(KillerFilter::Known),
        (0..4_u32).prop_map(KillerFilter::Pid),
        pattern().prop_map(KillerFilter::Name),
        (0..3_u32).prop_map(KillerFilter::User),
        pattern().prop_map(KillerFilter::Unit),
    ]
}

fn outcome_kind() -> impl Strategy<Value = OutcomeKind> {
    prop_oneof![
        Just(OutcomeKind::Exited),
        (0..4_u8).prop_map(OutcomeKind::ExitedWith),
        Just(OutcomeKind::Killed),
        Just(OutcomeKind::CoreDumped),
        Just(OutcomeKind::Unknown),
    ]
}

fn filter() -> impl Strategy<Value = Filter> {
    let time = || seldom((-6..6_i64).prop_map(|it| at(NOW + it * SECOND)));
    let runtime = || seldom((0..5_u64).prop_map(Duration::from_nanos));
    let oom = prop::sample::select(vec![OomFilter::Any, OomFilter::Memcg, OomFilter::Global]);
    let who = (
        few(1..4_u32),
        seldom(token()),
        patterns(),
        few(0..3_u32),
        patterns(),
        patterns(),
    );
    let end = (
        few(outcome_kind()),
        few(signal()),
        seldom(killer()),
        seldom(oom),
        prop::bool::weighted(0.1),
    );
    (time(), time(), runtime(), runtime(), who, end).prop_map(
        |(since, until, min_runtime, max_runtime, who, end)| Filter {
            since,
            until,
            min_runtime,
            max_runtime,
            pids: who.0,
            token: who.1,
            names: who.2,
            users: who.3,
            units: who.4,
            containers: who.5,
            outcomes: end.0,
            signals: end.1,
            killer: end.2,
            oom: end.3,
            failed_only: end.4,
        },
    )
}

/// Pages through an answer.
fn pages(store: &impl History, filter: &Filter, order: Order) -> Vec<ExitRecord> {
    let mut records = Vec::new();
    let mut after = None;
    loop {
        let query = Query {
            filter: filter.clone(),
            order,
            limit: 3,
            after,
        };
        let answer = store.query(&query).unwrap();
        records.extend(answer.records);
        after = answer.next;
        if after.is_none() {
            return records;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_store_finds_what_the_filter_matches(
        records in prop::collection::vec(record(), 0..40),
        filters in prop::collection::vec(filter(), 12),
    ) {
        let folder = Folder::new();
        folder.writer().append(&exits(&records)).unwrap();
        let store = folder.reader();
        for filter in filters.into_iter().chain([Filter::default()]) {
            let mut expected: Vec<ExitRecord> = records.iter()
                .filter(|record| filter.matches(record)).cloned().collect();
            let answer = store.query(&oldest_first(filter.clone())).unwrap();
            prop_assert_eq!(&answer.records, &expected, "{:?}", &filter);
            prop_assert_eq!(&pages(&store, &filter, Order::Oldest), &expected, "{:?}", &filter);

            let stats = StatsQuery {
                filter: filter.clone(),
                by: GroupBy::User,
                bucket_ns: NonZeroU64::new(2_000_000_000),
            };
            let mut counts: BTreeMap<_, (u64, u64, u64)> = BTreeMap::new();
            for record in &expected {
                let start = record.ended.unix_ns.div_euclid(2 * SECOND) * 2 * SECOND;
                let user = record.uid.map(|uid| uid.to_string().into());
                let sum = counts.entry((Some(at(start)), user)).or_default();
                sum.0 += 1;
                sum.1 += u64::from(is_failure(record.outcome));
                sum.2 += u64::from(record.oom.is_some());
            }
            let tallies = store.stats(&stats).unwrap().tallies;
            let tallies: BTreeMap<_, _> = tallies.into_iter()
                .map(|it| ((it.start, it.group), (it.exits, it.failed, it.oom))).collect();
            prop_assert_eq!(tallies, counts, "{:?}", &filter);

            expected.reverse();
            prop_assert_eq!(&pages(&store, &filter, Order::Newest), &expected, "{:?}", &filter);

            expected.sort_by_key(|record| std::cmp::Reverse(record.runtime_ns));
            let query = Query { order: Order::Runtime, ..oldest_first(filter.clone()) };
            let answer = store.query(&query).unwrap();
            prop_assert_eq!(&answer.records, &expected, "{:?}", &filter);
        }
        for record in &records {
            let told = store.outcome(&record.token).unwrap();
            let newest = records.iter().rev()
                .find(|other| Filter { token: Some(record.token), ..Filter::default() }.matches(other));
            prop_assert_eq!(told, newest.map(|it| it.outcome));
        }
    }
}

#[test]
fn groups_have_names() {
    let folder = Folder::new();
    folder
        .writer()
        .append(&crate::support::plains(0..100))
        .unwrap();
    let count = |by| {
        let query = StatsQuery {
            filter: Filter::default(),
            by,
            bucket_ns: None,
        };
        let tallies = folder.reader().stats(&query).unwrap().tallies;
        let groups = tallies
            .into_iter()
            .map(|it| (it.group, it.exits, it.failed));
        groups.collect::<Vec<_>>()
    };
    assert_eq!(count(GroupBy::Nothing), [(None, 100, 5)]);
    assert_eq!(
        count(GroupBy::Outcome),
        [
            (Some("exited 0".into()), 95, 0),
            (Some("exited 1".into()), 5, 5)
        ]
    );
    assert_eq!(count(GroupBy::Container), [(None, 100, 5)]);
    assert_eq!(count(GroupBy::Name).len(), 50);
    let units = count(GroupBy::Unit);
    assert_eq!(units.len(), 20);
    assert!(units.contains(&(Some("job-0.service".into()), 5, 5)));
}
