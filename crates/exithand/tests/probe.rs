//! What the library says of this kernel agrees with what the tests find by trying it.

use exithand::probe::{self, Answer, Feature, Probe};
use exithand_testkit::{Need, need, run_apart, run_isolated, test_name, with_descriptor_limit};
use rustix::mount::{UnmountFlags, unmount};

/// The feature, and whether this machine has it by the word of the test support.
fn truths() -> [(Feature, bool); 10] {
    [
        // Without these nothing else would have run.
        (Feature::Open, true),
        (Feature::Signal, true),
        (Feature::ChildStatus, true),
        (Feature::ZombieStatus, true),
        (Feature::ExitInfo, Need::PidfdInfoExit.met()),
        // The three came with pidfs.
        (Feature::Reap, Need::Pidfs.met()),
        (Feature::InodeToken, Need::Pidfs.met()),
        (Feature::Thread, Need::PidfdThread.met()),
        (Feature::OpenByInode, Need::PidfsHandles.met()),
        (Feature::ReleaseMemory, Need::ProcessMrelease.met()),
    ]
}

#[test]
fn every_answer_is_the_truth() {
    for (feature, truth) in truths() {
        let answer = probe::one(feature);
        assert_eq!(answer.is_yes(), truth, "{feature}: {answer}");
        assert_eq!(answer.remedy().is_none(), truth, "{feature}: {answer}");
        if !truth {
            let since = feature.since();
            assert_eq!(answer, Answer::Absent { since }, "{feature}");
        }
    }
}

#[test]
fn all_features_are_probed_once_and_in_order() {
    let probes = probe::all();
    let features: Vec<Feature> = probes.iter().map(|probe| probe.feature).collect();
    assert_eq!(features, Feature::ALL);
    for Probe { feature, answer } in probes {
        assert_eq!(probe::one(feature), answer, "{feature}, asked again");
    }
    let mut named: Vec<Feature> = truths().map(|(feature, _)| feature).to_vec();
    named.sort_by_key(|feature| Feature::ALL.iter().position(|it| it == feature));
    assert_eq!(named, Feature::ALL, "none is left out above");
}

#[test]
fn a_proc_of_another_namespace_is_noticed() {
    run_isolated(test_name!(), || {
        assert_eq!(probe::one(Feature::ZombieStatus), Answer::Yes);
        let truths = truths();
        // What was mounted for the whole machine lies beneath.
        unmount("/proc", UnmountFlags::DETACH).unwrap();
        for (feature, truth) in truths {
            assert_eq!(probe::one(feature).is_yes(), truth, "{feature}");
        }
    });
}

#[test]
fn out_of_descriptors_is_not_taken_for_an_old_kernel() {
    need!(Need::PidfdInfoExit);
    run_apart(
        test_name!(),
        |command| with_descriptor_limit(32, command),
        || {
            let hoard: Vec<_> =
                std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect();
            for Probe { feature, answer } in probe::all() {
                assert!(
                    !matches!(answer, Answer::Absent { .. } | Answer::Yes),
                    "{feature}: {answer}"
                );
            }
            drop(hoard);
            assert_eq!(probe::one(Feature::Open), Answer::Yes);
        },
    );
}
