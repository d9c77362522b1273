//! The S3 server in memory, spoken to by `object_store`, in raw HTTP with signed addresses, and by stock restic.
#![expect(clippy::unwrap_used, reason = "a failed assumption ends the test")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{StreamExt as _, TryStreamExt as _};
use object_store::aws::{AmazonS3, AmazonS3Builder, Checksum, S3CopyIfNotExists};
use object_store::path::Path;
use object_store::signer::Signer as _;
use object_store::{
    Error, GetOptions, GetRange, ObjectStore, ObjectStoreExt as _, PutMode, PutMultipartOptions, PutPayload,
    UpdateVersion,
};
use stillpoint_testkit::compare::assert_same;
use stillpoint_testkit::oracle;
use stillpoint_testkit::s3::{Fault, FaultRule, Server};
use stillpoint_testkit::tree::{Edits, TreeSpec};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

fn builder(server: &Server) -> AmazonS3Builder {
    let (access, secret) = server.keys();
    AmazonS3Builder::new()
        .with_endpoint(server.endpoint())
        .with_allow_http(true)
        .with_region("us-east-1")
        .with_bucket_name(server.bucket())
        .with_access_key_id(access)
        .with_secret_access_key(secret)
}

fn start() -> (Server, AmazonS3) {
    let server = Server::start_in_memory().unwrap();
    let client = builder(&server).build().unwrap();
    (server, client)
}

async fn put(client: &AmazonS3, key: &str, content: &'static str) -> UpdateVersion {
    client.put(&Path::from(key), PutPayload::from_static(content.as_bytes())).await.unwrap().into()
}

async fn get(client: &AmazonS3, key: &str) -> Vec<u8> {
    client.get(&Path::from(key)).await.unwrap().bytes().await.unwrap().to_vec()
}

/// The status line and the body that a request on a signed address is answered with.
async fn ask(
    client: &AmazonS3,
    method: &str,
    key: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> (u16, String) {
    let method_name = method.parse().unwrap();
    let url = client.signed_url(method_name, &Path::from(key), Duration::from_secs(60)).await.unwrap();
    let mut stream = TcpStream::connect((url.host_str().unwrap(), url.port().unwrap())).await.unwrap();
    let host = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
    let target = format!("{}?{}", url.path(), url.query().unwrap());
    let extra: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    let request = format!(
        "{method} {target} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {length}\r\nconnection: close\r\n{extra}\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer)
}

async fn names(client: &AmazonS3, prefix: &str, after: Option<&str>) -> Vec<String> {
    let prefix = Path::from(prefix);
    let found = match after {
        None => client.list(Some(&prefix)),
        Some(after) => client.list_with_offset(Some(&prefix), &Path::from(after)),
    };
    found.map_ok(|meta| meta.location.to_string()).try_collect().await.unwrap()
}

#[tokio::test]
async fn listings_are_sorted_and_keep_prefix_offset_and_delimiter() {
    let (_server, client) = start();
    for key in ["p/b", "p/a/2", "p/a/1", "p/a%3Db c+d", "p/ä", "q/x", "p0"] {
        put(&client, key, "content").await;
    }
    let sorted = ["p/%C3%A4", "p/a%253Db c+d", "p/a/1", "p/a/2", "p/b"];
    assert_eq!(names(&client, "p", None).await, sorted);
    assert_eq!(names(&client, "p", Some("p/a/1")).await, ["p/a/2", "p/b"]);
    let level = client.list_with_delimiter(Some(&Path::from("p"))).await.unwrap();
    let prefixes: Vec<_> = level.common_prefixes.iter().map(Path::to_string).collect();
    assert_eq!(prefixes, ["p/a"]);
    assert_eq!(level.objects.len(), 3);
    let tag = level.objects.iter().find(|meta| meta.location.as_ref() == "p/b").unwrap().e_tag.clone();
    assert_eq!(tag.unwrap(), "\"9a0364b9e99bb480dd25e1f0284c8555\"");
}

#[tokio::test]
async fn listings_go_on_over_pages_with_and_without_groups() {
    let (server, client) = start();
    for number in 0..2_500 {
        server.put_object(&format!("many/{:04}/{number:05}", number / 2), vec![7]).unwrap();
    }
    let found = names(&client, "many", None).await;
    assert_eq!(found.len(), 2_500);
    assert!(found.is_sorted());
    assert_eq!(server.requests().operation("ListObjectsV2"), 3);
    let level = client.list_with_delimiter(Some(&Path::from("many"))).await.unwrap();
    assert_eq!((level.common_prefixes.len(), level.objects.len()), (1_250, 0));
    assert_eq!(names(&client, "many", Some("many/1249/02498")).await, ["many/1249/02499"]);
}

#[tokio::test]
async fn of_racing_creations_one_wins() {
    let (_server, client) = start();
    let client = Arc::new(client);
    let race = (0..12).map(|number| {
        let client = Arc::clone(&client);
        tokio::spawn(async move {
            let content = PutPayload::from(format!("writer {number}"));
            client.put_opts(&Path::from("only"), content, PutMode::Create.into()).await
        })
    });
    let ended: Vec<_> = futures::future::join_all(race).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(ended.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert!(ended.iter().flat_map(Result::as_ref).all(|won| won.e_tag.is_some()));
    assert!(
        ended
            .iter()
            .filter_map(|outcome| outcome.as_ref().err())
            .all(|error| { matches!(error, Error::AlreadyExists { .. }) })
    );
}

#[tokio::test]
async fn an_update_asks_for_the_tag_it_was_made_from() {
    let (_server, client) = start();
    let first = put(&client, "head", "one").await;
    let key = Path::from("head");
    let update = |version: UpdateVersion, content: &'static str| {
        client.put_opts(&key, PutPayload::from_static(content.as_bytes()), PutMode::Update(version).into())
    };
    let second: UpdateVersion = update(first.clone(), "two").await.unwrap().into();
    assert!(matches!(update(first, "lost").await, Err(Error::Precondition { .. })));
    assert_eq!(get(&client, "head").await, b"two");
    client.delete(&key).await.unwrap();
    let missing = update(second, "gone").await;
    assert!(matches!(missing, Err(Error::NotFound { .. } | Error::Precondition { .. })), "{missing:?}");
}

#[tokio::test]
async fn reads_and_deletions_keep_their_conditions() {
    let (_server, client) = start();
    let tag = put(&client, "key", "content").await.e_tag.unwrap();
    let key = Path::from("key");
    let other = GetOptions { if_match: Some("\"other\"".to_owned()), ..GetOptions::default() };
    assert!(matches!(client.get_opts(&key, other).await, Err(Error::Precondition { .. })));
    let known = GetOptions { if_none_match: Some(tag.clone()), ..GetOptions::default() };
    assert!(matches!(client.get_opts(&key, known).await, Err(Error::NotModified { .. })));
    let same = GetOptions { if_match: Some(tag.clone()), ..GetOptions::default() };
    assert_eq!(client.get_opts(&key, same).await.unwrap().bytes().await.unwrap(), "content");
    assert_eq!(ask(&client, "DELETE", "key", &[("if-match", "\"other\"")], "").await.0, 412);
    assert_eq!(get(&client, "key").await, b"content");
    assert_eq!(ask(&client, "DELETE", "key", &[("if-match", &tag)], "").await.0, 204);
    assert_eq!(ask(&client, "DELETE", "key", &[("if-match", &tag)], "").await.0, 404);
    assert_eq!(ask(&client, "DELETE", "key", &[], "").await.0, 204);
}

#[tokio::test]
async fn a_digest_that_is_not_the_bodys_is_refused() {
    let (server, client) = start();
    let wrong = [
        ("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg=="),
        ("x-amz-checksum-crc32", "AAAAAA=="),
        ("x-amz-checksum-crc64nvme", "AAAAAAAAAAA="),
        ("x-amz-checksum-sha256", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="),
    ];
    for (name, value) in wrong {
        let (status, answer) = ask(&client, "PUT", "key", &[(name, value)], "content").await;
        assert!(status == 400 && answer.contains("<Code>BadDigest</Code>"), "{name}: {answer}");
    }
    assert!(server.object("key").unwrap().is_none());
    let right = ("x-amz-checksum-sha256", "7XACtDnprIRfIjV9giusFERzD722AW0+yUMil7nsn3M=");
    assert_eq!(ask(&client, "PUT", "key", &[right], "content").await.0, 200);
    let checked = builder(&server).with_checksum_algorithm(Checksum::SHA256).build().unwrap();
    put(&checked, "checked", "content").await;
    assert_eq!(server.object("checked").unwrap().unwrap(), b"content");
}

#[tokio::test]
async fn a_wrong_secret_and_a_missing_signature_are_refused() {
    let (server, client) = start();
    put(&client, "key", "content").await;
    let thief = builder(&server).with_secret_access_key("guessed").build().unwrap();
    let refused = thief.get(&Path::from("key")).await.unwrap_err();
    assert!(matches!(refused, Error::PermissionDenied { .. }), "{refused:?}");
    let unsigned = builder(&server).with_skip_signature(true).build().unwrap();
    assert!(matches!(unsigned.get(&Path::from("key")).await, Err(Error::PermissionDenied { .. })));
    assert!(matches!(client.get(&Path::from("nothing")).await, Err(Error::NotFound { .. })));
}

#[tokio::test]
async fn ranges_give_their_bytes_and_no_more() {
    let (server, client) = start();
    put(&client, "digits", "0123456789").await;
    let key = Path::from("digits");
    let range = async |range: GetRange| {
        let options = GetOptions { range: Some(range), ..GetOptions::default() };
        client.get_opts(&key, options).await.map(|got| (got.range.clone(), got.meta.size))
    };
    server.reset_requests();
    assert_eq!(client.get_range(&key, 2..5).await.unwrap(), "234");
    assert_eq!(server.requests().bytes_out, 3);
    assert_eq!(range(GetRange::Suffix(3)).await.unwrap(), (7..10, 10));
    assert_eq!(range(GetRange::Offset(8)).await.unwrap(), (8..10, 10));
    assert_eq!(range(GetRange::Bounded(8..99)).await.unwrap(), (8..10, 10));
    assert_eq!(ask(&client, "GET", "digits", &[("range", "bytes=10-")], "").await.0, 416);
}

#[tokio::test]
async fn parts_become_one_object_and_wrong_completions_do_not() {
    let (server, client) = start();
    let key = Path::from("large");
    let pieces: Vec<Vec<u8>> = (0..3_u8).map(|number| vec![number; 5 << 20]).collect();
    let mut upload = client.put_multipart_opts(&key, PutMultipartOptions::default()).await.unwrap();
    for piece in &pieces {
        upload.put_part(piece.clone().into()).await.unwrap();
    }
    let done = upload.complete().await.unwrap();
    assert!(done.e_tag.unwrap().ends_with("-3\""));
    assert_eq!(server.object("large").unwrap().unwrap(), pieces.concat());
    let seen = server.requests();
    assert_eq!((seen.operation("UploadPart"), seen.operation("CompleteMultipartUpload")), (3, 1));
    assert_eq!(seen.bytes_in / (15 << 20), 1);

    let mut small = client.put_multipart(&Path::from("small")).await.unwrap();
    small.put_part(PutPayload::from_static(b"too small for a part that is not the last")).await.unwrap();
    small.put_part(PutPayload::from_static(b"last")).await.unwrap();
    let refused = small.complete().await.unwrap_err().to_string();
    assert!(refused.contains("EntityTooSmall"), "{refused}");
    small.abort().await.unwrap();
    assert!(server.object("small").unwrap().is_none());
    let again = small.put_part(PutPayload::from_static(b"after the end")).await;
    assert!(again.unwrap_err().to_string().contains("NoSuchUpload"));
}

#[tokio::test]
async fn copies_are_made_inside_the_store_once_by_part_or_whole() {
    let (server, client) = start();
    put(&client, "source of it", "content").await;
    let (from, to) = (Path::from("source of it"), Path::from("target"));
    client.copy(&from, &to).await.unwrap();
    assert_eq!(get(&client, "target").await, b"content");
    let by_part = builder(&server).with_copy_if_not_exists(S3CopyIfNotExists::Multipart).build().unwrap();
    by_part.copy_if_not_exists(&from, &Path::from("fresh")).await.unwrap();
    let taken = by_part.copy_if_not_exists(&from, &to).await;
    assert!(matches!(taken, Err(Error::AlreadyExists { .. } | Error::Precondition { .. })), "{taken:?}");
    let seen = server.requests();
    assert_eq!((seen.operation("CopyObject"), seen.operation("UploadPartCopy")), (1, 2));
    assert!(seen.bytes_in < 2_000, "{} bytes travelled", seen.bytes_in);
    let stale = [("x-amz-copy-source", "/bucket/target"), ("x-amz-copy-source-if-match", "\"other\"")];
    assert_eq!(ask(&client, "PUT", "never", &stale, "").await.0, 412);
}

#[tokio::test]
async fn deletions_in_bulk_take_what_is_there() {
    let (server, client) = start();
    for key in ["d/1", "d/2", "d/3", "kept"] {
        put(&client, key, "content").await;
    }
    let keys = ["d/1", "d/2", "d/3", "d/never"].map(|key| Ok(Path::from(key)));
    let gone = client.delete_stream(futures::stream::iter(keys).boxed()).try_collect::<Vec<_>>().await;
    assert_eq!(gone.unwrap().len(), 4);
    assert_eq!(server.objects("").unwrap().into_keys().collect::<Vec<_>>(), ["kept"]);
    assert_eq!(server.requests().operation("DeleteObjects"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn latency_is_waited_for_by_all_requests_at_once() {
    let (server, client) = start();
    put(&client, "key", "content").await;
    server.set_latency(Duration::from_millis(150));
    let start = now();
    futures::future::join_all((0..20).map(|_| get(&client, "key"))).await;
    let (all, one) = (start.elapsed(), Duration::from_millis(150));
    assert!(all >= one && all < one * 10, "20 requests at once took {all:?} with {one:?} for each");
}

fn now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "the wait is real, so its measure is too")]
    Instant::now()
}

#[tokio::test]
async fn faults_fall_on_the_memory_store_too() {
    let (server, client) = start();
    server.inject(FaultRule::new(Fault::SlowDown).method("PUT").times(1));
    put(&client, "key", "content").await;
    let seen = server.requests();
    assert_eq!((seen.faults, seen.operation("PutObject")), (1, 2));
    assert!(server.remove_object("key").unwrap() && !server.remove_object("key").unwrap());
}

#[test]
fn stock_restic_keeps_and_checks_a_repository_in_memory() {
    let Some(restic) = oracle::restic() else { return };
    let server = Server::start_in_memory().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (source, target) = (dir.path().join("source"), dir.path().join("target"));
    TreeSpec::small(31).restic_safe().generate(&source).unwrap();
    let location = format!("s3:{}/{}/team/repo", server.endpoint(), server.bucket());
    let repository = restic.repository(location, "a password").with_env(server.env());
    repository.run(&["init"]);
    repository.run(&["backup", &source.to_string_lossy()]);
    Edits::few(32).apply(&source).unwrap();
    repository.run(&["backup", &source.to_string_lossy()]);
    repository.check_read_data();
    repository.restore("latest", &target);
    assert_same(&source, &target.join(source.strip_prefix("/").unwrap()));
    let packs = server.objects("team/repo/data/").unwrap();
    let (key, length) = packs.iter().max_by_key(|(_, length)| **length).unwrap();
    let mut damaged = server.object(key).unwrap().unwrap();
    damaged[usize::try_from(*length).unwrap() / 2] ^= 1;
    server.put_object(key, damaged).unwrap();
    assert!(!repository.try_run(&["check", "--read-data"]).status.success());
}
