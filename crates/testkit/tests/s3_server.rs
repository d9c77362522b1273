//! The loopback S3 server, spoken to in raw HTTP and by stock restic.
#![expect(clippy::unwrap_used, reason = "a failed assumption ends the test")]

use std::io::{Read, Write};
use std::net::TcpStream;

use stillpoint_testkit::compare::assert_same;
use stillpoint_testkit::oracle;
use stillpoint_testkit::s3::{Fault, FaultRule, Server};
use stillpoint_testkit::tree::{Edits, TreeSpec};

/// The status line of an unsigned request, or an empty line when the connection is dropped.
fn ask(server: &Server, method: &str, key: &str) -> String {
    let mut stream = TcpStream::connect(server.endpoint().trim_start_matches("http://")).unwrap();
    write!(
        stream,
        "{method} /bucket/{key} HTTP/1.1\r\nhost: s3\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = Vec::new();
    // A dropped connection may show as an error or as an early end.
    drop(stream.read_to_end(&mut answer));
    String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()
}

#[test]
fn unsigned_requests_are_refused_and_counted() {
    let server = Server::start().unwrap();
    assert_eq!(ask(&server, "GET", "key"), "HTTP/1.1 403 Forbidden");
    assert_eq!(ask(&server, "PUT", "key"), "HTTP/1.1 403 Forbidden");
    assert_eq!(ask(&server, "GET", "?list-type=2"), "HTTP/1.1 403 Forbidden");
    let seen = server.requests();
    assert_eq!((seen.of("GET"), seen.of("PUT"), seen.of("LIST"), seen.total()), (1, 1, 1, 3));
    server.reset_requests();
    assert_eq!(server.requests().total(), 0);
    assert!(!server.object_path("key").exists());
}

#[test]
fn every_third_matching_request_meets_the_fault() {
    let server = Server::start().unwrap();
    server.inject(FaultRule::new(Fault::SlowDown).method("PUT").key("data/").every(3).times(2));
    let answers: Vec<bool> = (0..9).map(|_| ask(&server, "PUT", "data/x").contains("503")).collect();
    assert_eq!(answers, [false, false, true, false, false, true, false, false, false]);
    assert!(ask(&server, "GET", "data/x").contains("403") && ask(&server, "PUT", "index/x").contains("403"));
    assert_eq!(server.requests().faults, 2);
}

#[test]
fn a_dropped_connection_gives_no_answer_until_healed() {
    let server = Server::start().unwrap();
    server.inject(FaultRule::new(Fault::Drop));
    assert_eq!(ask(&server, "GET", "key"), "");
    server.heal();
    server.inject(FaultRule::new(Fault::DropAnswer).after(1));
    assert_eq!(ask(&server, "GET", "key"), "HTTP/1.1 403 Forbidden");
    assert_eq!(ask(&server, "GET", "key"), "");
}

#[test]
fn stock_restic_keeps_a_repository_on_the_server() {
    let Some(restic) = oracle::restic() else { return };
    let server = Server::start().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (source, target) = (dir.path().join("source"), dir.path().join("target"));
    TreeSpec::small(21).restic_safe().generate(&source).unwrap();
    let location = format!("s3:{}/{}/team/repo", server.endpoint(), server.bucket());
    let repository = restic.repository(location, "a password").with_env(server.env());
    repository.run(&["init"]);
    repository.run(&["backup", &source.to_string_lossy()]);
    Edits::few(22).apply(&source).unwrap();
    repository.run(&["backup", &source.to_string_lossy()]);
    assert!(server.object_path("team/repo/config").is_file());
    assert!(server.requests().of("PUT") > 5 && server.requests().of("LIST") > 0);
    repository.check_read_data();
    repository.restore("latest", &target);
    assert_same(&source, &target.join(source.strip_prefix("/").unwrap()));
}
