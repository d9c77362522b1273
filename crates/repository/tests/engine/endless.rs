//! The engine on a server whose answers never end.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use stillpoint_repository::{ErrorKind, Origin, Repository, Store, StoreSettings};

use crate::support::credentials;

/// Most bytes that such an answer may bring before the connection is closed: what sockets and clients hold.
const SENT_MAX: usize = 64 << 20;

/// Answers everything with an object that announces `length` bytes and goes on for ever, and counts what it sends.
fn serve(length: usize) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, sent) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&sent);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let counted = Arc::clone(&counted);
            std::thread::spawn(move || go_on(stream, length, &counted));
        }
    });
    (format!("http://{address}"), sent)
}

fn go_on(mut stream: TcpStream, length: usize, sent: &AtomicUsize) {
    let mut request = [0; 16 << 10];
    let read = stream.read(&mut request).unwrap_or(0);
    let ranged = String::from_utf8_lossy(&request[..read]).to_lowercase().contains("\r\nrange: ");
    let (status, range) = match ranged {
        true => ("206 Partial Content", format!("Content-Range: bytes 0-{}/{length}\r\n", length - 1)),
        false => ("200 OK", String::new()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nLast-Modified: Tue, 01 Jan 2030 00:00:00 GMT\r\nETag: \"e\"\r\n{range}Content-Length: \
         {length}\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    let part = [b"10000\r\n".as_slice(), &[b'x'; 0x10000], b"\r\n"].concat();
    let mut done = stream.write_all(head.as_bytes());
    while done.is_ok() && sent.fetch_add(part.len(), Ordering::Relaxed) < 2 * SENT_MAX {
        done = stream.write_all(&part);
    }
}

#[tokio::test]
async fn an_object_that_never_ends_is_given_up_at_the_length_that_it_may_have() {
    for length in [100, 60 << 10] {
        let (endpoint, sent) = serve(length);
        let settings = StoreSettings::new([
            ("AWS_ACCESS_KEY_ID", "k"),
            ("AWS_SECRET_ACCESS_KEY", "s"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ]);
        let store = Store::from_url("s3://bucket/repo", &settings).unwrap();
        let error = Repository::open(store, &credentials(), Origin::detect()).await.unwrap_err();
        let sent = sent.load(Ordering::Relaxed);
        println!("{length} bytes announced, {sent} sent: {error}");
        assert!(matches!(error.kind(), ErrorKind::Corrupt { .. } | ErrorKind::Unavailable), "{error}");
        assert!(sent < SENT_MAX, "{sent} bytes were read");
    }
}
