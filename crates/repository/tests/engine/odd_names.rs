//! Names that are no paths, as each service lists them: told one by one, or with what to do about them.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};

use futures::{StreamExt, TryStreamExt};
use stillpoint_repository::{ErrorKind, Store, StoreSettings};
use url::Url;

const NAMES: [&str; 4] = ["p/user/space/a", "p/user/space//x", "p/user/space/b/../c", "p/user/space/d"];

/// Answers every request with what `list` makes of its query.
fn serve(list: fn(&HashMap<String, String>) -> String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            answer(stream, list);
        }
    });
    format!("http://{address}")
}

fn answer(mut stream: TcpStream, list: fn(&HashMap<String, String>) -> String) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let Some(first) = lines.next() else { return };
    while lines.next().is_some_and(|line| !line.is_empty()) {}
    let target = first.split(' ').nth(1).unwrap_or("/");
    let url = Url::parse("http://localhost").unwrap().join(target).unwrap();
    let body = list(&url.query_pairs().into_owned().collect());
    let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all((head + &body).as_bytes()).unwrap();
}

/// The next names in their order: Google begins behind any name and sends as many as are asked for.
fn google(query: &HashMap<String, String>) -> String {
    let after = query.get("start-after").map_or("", String::as_str);
    let most = query.get("max-keys").and_then(|most| most.parse().ok()).unwrap_or(1000);
    let mut names = NAMES.to_vec();
    names.sort_unstable();
    let behind: Vec<_> = names.into_iter().filter(|name| *name > after).collect();
    let mut body = String::from("<ListBucketResult>");
    for name in behind.iter().take(most) {
        let rest = "<LastModified>2026-01-31T00:00:00Z</LastModified><ETag>e</ETag><Size>1</Size>";
        write!(body, "<Contents><Key>{name}</Key>{rest}</Contents>").unwrap();
    }
    if behind.len() > most {
        body += "<NextContinuationToken>more</NextContinuationToken>";
    }
    body + "</ListBucketResult>"
}

fn azure(_query: &HashMap<String, String>) -> String {
    let mut body = String::from("<EnumerationResults><Blobs>");
    for name in NAMES {
        let rest = "<Last-Modified>Sat, 31 Jan 2026 00:00:00 GMT</Last-Modified><Content-Length>1</Content-Length>\
                    <Content-Type>x</Content-Type>";
        write!(body, "<Blob><Name>{name}</Name><Properties>{rest}</Properties></Blob>").unwrap();
    }
    body + "</Blobs><NextMarker/></EnumerationResults>"
}

#[tokio::test]
async fn google_tells_names_that_are_no_paths_one_by_one() {
    let endpoint = serve(google);
    let settings = [("GOOGLE_BASE_URL", endpoint.as_str()), ("GOOGLE_SKIP_SIGNATURE", "true")];
    let store = Store::from_url("gs://bucket/p", &StoreSettings::new(settings)).unwrap();
    let listed: Vec<_> = store.list_objects("user/space").try_collect().await.unwrap();
    let listed: Vec<_> = listed.iter().map(|object| (object.key.as_str(), object.odd)).collect();
    assert_eq!(
        listed,
        [
            ("user/space//x", true),
            ("user/space/a", false),
            ("user/space/b/../c", true),
            ("user/space/d", false)
        ]
    );
}

#[tokio::test]
async fn azure_says_which_name_hides_all_others_and_what_to_do() {
    let endpoint = serve(azure);
    let settings = [
        ("AZURE_STORAGE_ENDPOINT", endpoint.as_str()),
        ("AZURE_STORAGE_ACCOUNT", "account"),
        ("AZURE_STORAGE_KEY", "a2V5"),
    ];
    let store = Store::from_url("az://container/p", &StoreSettings::new(settings)).unwrap();
    let error = store.list_objects("user/space").next().await.unwrap().unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::InvalidInput);
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(error.to_string().contains("rename or delete that object"), "{error}");
    assert!(cause.contains("p/user/space//x"), "{cause}");
}
