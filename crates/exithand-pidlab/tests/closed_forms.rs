//! Simulations against what is known without them.

use std::time::Duration;

use exithand_pidlab::{
    Arrivals, Counter, FreeBsd, Life, Linux, OpenBsd, Report, Reuse, Storm, Workload, estimate,
    simulate,
};

const SECOND: Duration = Duration::from_secs(1);
const MEAN: Duration = SECOND;

/// A hundred jobs a second that live for a second on average, and services that outlive many laps.
fn workload() -> Workload {
    Workload {
        jobs_per_second: 100.0,
        arrivals: Arrivals::Random,
        job_life: Life::Exponential { mean: MEAN },
        services: 800,
        service_life: Life::Exponential { mean: 400 * SECOND },
        storm: None,
    }
}

fn assert_near(found: f64, expected: f64, percent: f64, what: &str) {
    let off = (found / expected - 1.0).abs() * 100.0;
    assert!(
        off < percent,
        "{what}: {found}, expected {expected}: {off:.1} % off"
    );
}

/// A small Linux, so that there are many laps: one takes 5 seconds.
fn small_linux(seed: u64, length: Duration) -> Report {
    let intervals = [SECOND, 4 * SECOND];
    simulate(
        &mut Linux::new(PID_MAX),
        &workload(),
        &intervals,
        length,
        seed,
    )
}

/// Long enough that chance plays a small part.
const LENGTH: Duration = Duration::from_secs(16_000);

const PID_MAX: u64 = 300 + 800 + 510;

/// The cursor passes by the numbers of services only: those of jobs are free again by then.
fn lap() -> Duration {
    let services_per_second = 2.0;
    estimate::lap(PID_MAX, 800, 100.0 + services_per_second).expect("something is started")
}

#[test]
fn with_even_starts_and_fixed_lives_the_distance_is_what_a_lap_leaves() {
    let life = 5 * SECOND;
    let workload = Workload {
        arrivals: Arrivals::Even,
        job_life: Life::Fixed(life),
        services: 0,
        ..workload()
    };
    let interval = 20 * SECOND;
    let report = simulate(
        &mut Linux::new(300 + 1000),
        &workload,
        &[interval],
        1000 * SECOND,
        1,
    );
    // A number is used every 1000 starts; the job that had it ends just before the 500th after it.
    let jobs = &report.jobs;
    assert_eq!(jobs.least_distance(), Some(500));
    assert_eq!(jobs.distance(99), Some(500));
    // Free for 5 seconds, in use for 5, twice in 20 seconds.
    assert_near(jobs.fooled()[0], 0.5, 2.0, "two uses in an interval");
    assert_eq!(report.failed, 0);
}

#[test]
fn a_poller_of_a_service_is_fooled_as_the_formula_says() {
    let report = small_linux(2, LENGTH);
    for (interval, found) in [1, 4].into_iter().zip(report.services.fooled()) {
        let interval = interval * SECOND;
        let expected = estimate::fooled_after_long(lap(), MEAN, interval);
        assert_near(found, expected, 10.0, "services");
        assert!(found < estimate::fooled_at_most(lap(), interval));
    }
}

#[test]
fn a_poller_of_a_job_is_fooled_as_the_formula_says() {
    let report = small_linux(3, LENGTH);
    let found = report.jobs.fooled();
    let expected = estimate::fooled_after_short(lap(), MEAN, 4 * SECOND);
    assert_near(found[1], expected, 10.0, "jobs");
    assert!(found[1] < report.services.fooled()[1] / 3.0, "far less");
}

#[test]
fn after_a_long_life_a_number_may_come_again_at_once_and_half_a_lap_later_on_average() {
    let services = small_linux(4, LENGTH).services;
    assert!(services.least_distance() < Some(10));
    let median = services.distance(50).expect("all come again");
    assert!((245..265).contains(&median), "{median}");
    let last = services.distance(100).expect("all come again");
    assert!((500..560).contains(&last), "within a lap: {last}");
}

#[test]
fn random_numbers_come_again_as_the_formula_says_and_whatever_the_life() {
    // Little goes on per second of the run, so it has to be a fast machine.
    let workload = Workload {
        jobs_per_second: 20_000.0,
        job_life: Life::Exponential {
            mean: Duration::from_millis(100),
        },
        ..workload()
    };
    let report = simulate(&mut OpenBsd::new(5), &workload, &[SECOND], 40 * SECOND, 5);
    let free = 99_998 - 800 - 2000 - 128;
    let expected =
        estimate::fooled_by_random(free, 128, 20_000.0, Duration::from_millis(100), SECOND);
    assert_near(report.jobs.fooled()[0], expected, 3.0, "jobs");
    assert!(report.jobs.least_distance() > Some(50), "128 ends");
    let median = report.jobs.distance(50).expect("half of them come again");
    let expected = 128 + free * 693 / 1000;
    let off = median.abs_diff(expected);
    assert!(off < expected / 50, "{median}, expected {expected}");
}

#[test]
fn a_storm_of_a_round_brings_every_number_again() {
    let calm = Workload {
        jobs_per_second: 0.01,
        job_life: Life::Fixed(MEAN),
        ..workload()
    };
    let stormy = Workload {
        storm: Some(Storm {
            every: 20 * SECOND,
            jobs: 510,
        }),
        ..calm
    };
    let delay = |workload| {
        let mut pids = Linux::new(PID_MAX);
        let report = simulate(&mut pids, &workload, &[], 4000 * SECOND, 9);
        let delay = report.services.delay(90);
        delay.expect("nine of ten come again")
    };
    assert!(delay(calm) > 200 * SECOND, "two services a second");
    assert!(delay(stormy) <= 20 * SECOND, "from storm to storm");
}

#[test]
fn freebsd_is_linux_with_more_numbers() {
    let workload = Workload {
        jobs_per_second: 20_000.0,
        job_life: Life::Fixed(Duration::ZERO),
        arrivals: Arrivals::Even,
        services: 0,
        ..workload()
    };
    let report = simulate(
        &mut FreeBsd::sequential(),
        &workload,
        &[SECOND],
        20 * SECOND,
        1,
    );
    assert_eq!(report.jobs.least_distance(), Some(99_996));
    assert_eq!(report.jobs.distance(100), Some(99_996));
}

#[test]
fn a_growing_number_fools_nobody() {
    let report = simulate(
        &mut Counter::default(),
        &workload(),
        &[SECOND],
        1000 * SECOND,
        6,
    );
    let nobody = |reuse: &Reuse| reuse.distance(1).is_none() && reuse.fooled() == [0.0];
    assert!(nobody(&report.jobs) && nobody(&report.services));
    assert!(report.jobs.ends() > 10_000);
}

#[test]
fn a_seed_decides_everything() {
    let short = |seed| small_linux(seed, 1000 * SECOND);
    let (one, same, other) = (short(7), short(7), short(8));
    assert_eq!(one.services.fooled(), same.services.fooled());
    assert_ne!(one.started, other.started);
}
