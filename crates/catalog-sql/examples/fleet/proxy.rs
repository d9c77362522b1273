//! Passes connections on and counts their bytes.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// A running proxy; its threads end with their connections.
pub(crate) struct Proxy {
    pub(crate) endpoint: String,
    sent: Arc<AtomicU64>,
    received: Arc<AtomicU64>,
}

impl Proxy {
    /// Bytes to the server and from it.
    pub(crate) fn bytes(&self) -> (u64, u64) {
        (self.sent.load(Ordering::Relaxed), self.received.load(Ordering::Relaxed))
    }
}

/// Starts to pass connections on to `server`.
pub(crate) fn start(server: String) -> io::Result<Proxy> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let (sent, received) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
    let proxy = Proxy {
        endpoint: listener.local_addr()?.to_string(),
        sent: Arc::clone(&sent),
        received: Arc::clone(&received),
    };
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let Ok(upstream) = TcpStream::connect(&server) else { continue };
            let pairs =
                [(client.try_clone(), upstream.try_clone(), &sent), (Ok(upstream), Ok(client), &received)];
            for (from, to, count) in pairs {
                if let (Ok(from), Ok(to)) = (from, to) {
                    let count = Arc::clone(count);
                    thread::spawn(move || pump(from, to, &count));
                }
            }
        }
    });
    Ok(proxy)
}

fn pump(mut from: TcpStream, mut to: TcpStream, count: &AtomicU64) {
    let prompt = from.set_nodelay(true).and(to.set_nodelay(true));
    let mut buffer = vec![0; 64 << 10];
    while prompt.is_ok() {
        match from.read(&mut buffer) {
            Ok(length @ 1..) if to.write_all(&buffer[..length]).is_ok() => {
                count.fetch_add(length as u64, Ordering::Relaxed);
            }
            _ => break,
        }
    }
    // The other direction may have closed them first.
    let _closed = to.shutdown(Shutdown::Both).and(from.shutdown(Shutdown::Both)).is_ok();
}
