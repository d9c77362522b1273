//! Limits of what a run may use.

use std::fs;
use std::time::{Duration, SystemTime};

use crate::common::Place;
use stillpoint_testkit::s3::Server;

/// Two mebibytes that nothing makes smaller.
fn noise() -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..262_144).flat_map(|_| next()).collect()
}

#[expect(clippy::disallowed_methods, reason = "the limit is one of real time")]
fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let began = SystemTime::now();
    let done = work();
    (done, began.elapsed().unwrap())
}

#[test]
fn a_rate_is_kept_both_ways_and_processors_are_counted() {
    let mut place = Place::new();
    let server = Server::start().unwrap();
    for (name, value) in server.env() {
        place.env(name, value);
    }
    place.env("STILLPOINT_STORE", server.url("team"));
    fs::create_dir_all(place.source()).unwrap();
    fs::write(place.source().join("noise"), noise()).unwrap();
    let source = place.source();
    let line = ["backup", source.to_str().unwrap(), "--limit-upload", "1M", "--cpus", "1", "--no-cache"];
    assert_eq!(place.json(line)["state"], "completed");
    // What follows two mebibytes waits two seconds for its turn.
    let again = place.path("again");
    let line =
        ["restore", "latest", "--into", again.to_str().unwrap(), "--limit-download", "1M", "--no-cache"];
    let (_, took) = timed(|| place.json(line));
    assert!(took >= Duration::from_millis(1900), "{took:?}");
    assert_eq!(fs::read(again.join("noise")).unwrap(), noise());
    place.run(["list", "--limit-upload", "fast"]).assert_refused(2, &["fast"]);

    // The small objects that a repository needs wait for nothing; plain files do, each in its turn.
    for name in ["one", "two"] {
        fs::write(place.source().join(name), noise()).unwrap();
    }
    place.env("STILLPOINT_STORE", server.url("plain"));
    place.env("STILLPOINT_LAYOUT", "mirror");
    let line =
        ["backup", source.to_str().unwrap(), "--user", "ada", "--space", "lab", "--limit-upload", "2M"];
    let (document, took) = timed(|| place.json(line));
    assert_eq!(document["state"], "completed");
    assert!(took >= Duration::from_millis(1900), "{took:?}");
}
