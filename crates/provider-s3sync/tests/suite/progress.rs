//! How far a restore says that it is.

use std::fs;

use stillpoint_core::{Landing, Request};

use crate::support::{Host, Scene, counts, end_of_restore, restore_request};

#[tokio::test(flavor = "multi_thread")]
async fn each_name_of_a_file_counts_once_in_a_restore_and_nothing_beyond_the_total() {
    for scene in [Scene::local(), Scene::local().mirrored()] {
        let root = scene.path("source");
        fs::create_dir(&root).unwrap();
        for (name, size) in [("one", 300_000), ("two", 5_000_000), ("empty", 0)] {
            fs::write(root.join(name), name.repeat(size / 3)).unwrap();
            fs::hard_link(root.join(name), root.join(format!("{name}-again"))).unwrap();
        }
        fs::write(root.join("alone"), "alone").unwrap();
        scene.create().await;
        let host = Host::new(&scene, &root);
        let status = host.back_up("backup").await;
        let due = (7, counts(&status)["bytes_scanned"]);
        let (backup, target) = (status.backup.unwrap().id, scene.path("target"));
        // Into nothing; over what stands already; over what stands in part.
        for landing in [Landing::Empty, Landing::Merge, Landing::Replace, Landing::Merge] {
            let mut request = restore_request(&format!("{landing:?}"), &backup, &target);
            request.landing = landing;
            if landing == Landing::Replace {
                fs::remove_file(target.join("one")).unwrap();
                fs::write(target.join("two-again"), "another").unwrap();
            }
            let status = host.run(Request::Restore(request)).await;
            let progress = end_of_restore(&status).progress;
            let done = (progress.files_done, progress.bytes_done);
            assert_eq!(done, due, "{landing:?}: {status:?}");
            assert_eq!((progress.files_total, progress.bytes_total), (Some(due.0), Some(due.1)));
        }
    }
}
