//! Disks that are full.

use std::process::Command;

use exithand_recorder::LossCause;
use exithand_recorder::store::{Retention, StoreError, StoreWriter};
use exithand_testkit::{run_isolated, test_name};

use crate::support::{Folder, plain, plains};

#[test]
fn a_full_disk_is_a_gap_and_the_recorder_goes_on() {
    run_isolated(test_name!(), || {
        let folder = Folder::new();
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", "size=3m", "none"])
            .arg(folder.0.path());
        assert!(mount.status().unwrap().success());
        let ballast = folder.0.path().join("ballast");
        let mut writer = StoreWriter::open(&folder.store(), Retention::default()).unwrap();
        writer.append(&plains(0..100)).unwrap();
        // Somebody else takes all the room there is.
        let filled = std::fs::write(&ballast, vec![0; 4 << 20]);
        assert!(filled.is_err());

        let mut number = 100;
        let mut taken = 100;
        let mut lost = 0;
        while lost < 3000 {
            match writer.append(&plains(number..number + 500)) {
                Ok(()) => taken += 500,
                Err(error) => {
                    assert!(matches!(error, StoreError::Full { .. }), "{error:?}");
                    assert!(error.to_string().starts_with("no room"), "{error}");
                    lost += 500;
                }
            }
            number += 500;
        }
        std::fs::remove_file(&ballast).unwrap();
        writer.append(&plains(number..number + 500)).unwrap();

        let answer = folder.all();
        assert_eq!(answer.records.len(), taken + 500);
        let [gap] = answer.gaps.as_slice() else {
            panic!("{:?}", answer.gaps);
        };
        assert_eq!((gap.lost, gap.cause), (Some(lost), LossCause::StoreBehind));
        assert_eq!(gap.to, plain(number - 1).ended);
    });
}
