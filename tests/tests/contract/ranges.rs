//! `Range` and `If-Range` on links of the file store, which the API serves itself.

use exports_tests::Reply;
use reqwest::Method;
use url::Url;

use crate::api::assert_refused;
use crate::shared::{Consumer, id_of, story};

/// Sends a request for a link with these headers.
async fn ask(
    consumer: &Consumer<'_>,
    method: Method,
    link: &Url,
    headers: &[(&str, &str)],
) -> Reply {
    let api = consumer.api.without_key();
    let prepare = |request: reqwest::RequestBuilder| {
        let add = |request: reqwest::RequestBuilder, (name, value): &(&str, &str)| {
            request.header(*name, *value)
        };
        headers.iter().fold(request, add)
    };
    api.send(method, link.as_str(), prepare).await
}

#[test]
fn a_range_request_returns_exactly_its_bytes() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let export = consumer.completed().await;
        let link = consumer.link(&id_of(&export)).await;
        let whole = consumer.follow(&link).await.expect(200).body;
        let size = whole.len();
        for (range, first, end) in [
            ("bytes=0-0".to_owned(), 0, 1),
            ("bytes=0-".to_owned(), 0, size),
            ("bytes=5-14".to_owned(), 5, 15),
            (format!("bytes={}-", size - 1), size - 1, size),
            (format!("bytes={}-{}", size - 3, size + 100), size - 3, size),
            ("bytes=-1".to_owned(), size - 1, size),
            (format!("bytes=-{}", size + 100), 0, size),
            ("BYTES=2-3".to_owned(), 2, 4),
        ] {
            let reply = ask(&consumer, Method::GET, &link, &[("Range", &range)]).await;
            let reply = reply.expect(206);
            assert_eq!(reply.body, whole[first..end], "{range}");
            let part = format!("bytes {first}-{}/{size}", end - 1);
            assert_eq!(reply.header("content-range"), Some(&*part), "{range}");
            let length = (end - first).to_string();
            assert_eq!(reply.header("content-length"), Some(&*length), "{range}");
            assert!(
                reply.header("etag").is_some() && reply.header("content-disposition").is_some()
            );
        }
    });
}

#[test]
fn a_range_after_the_end_is_416_with_the_file_size() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let export = consumer.completed().await;
        let link = consumer.link(&id_of(&export)).await;
        let size = export["file_size_bytes"].as_u64().unwrap();
        for range in [
            format!("bytes={size}-"),
            format!("bytes={size}-{}", size + 5),
            "bytes=99999999999999999999-".to_owned(),
            "bytes=-0".to_owned(),
        ] {
            let reply = ask(&consumer, Method::GET, &link, &[("Range", &range)]).await;
            assert_refused(&reply, 416, "RANGE_NOT_SATISFIABLE", &[&size.to_string()]);
            let told = format!("bytes */{size}");
            assert_eq!(reply.header("content-range"), Some(&*told), "{range}");
        }
    });
}

#[test]
fn multiple_and_malformed_ranges_return_the_whole_file() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let export = consumer.completed().await;
        let link = consumer.link(&id_of(&export)).await;
        let whole = consumer.follow(&link).await.expect(200).body;
        for range in [
            "bytes=0-1,3-4",
            "bytes=5-2",
            "bytes=",
            "bytes=a-b",
            "rows=0-1",
            "bytes 0-1",
            "",
        ] {
            let reply = ask(&consumer, Method::GET, &link, &[("Range", range)]).await;
            assert_eq!((reply.status, &reply.body), (200, &whole), "{range}");
        }
        let reply = ask(&consumer, Method::HEAD, &link, &[("Range", "bytes=0-1")]).await;
        assert_eq!(reply.status, 200, "ranges apply only to GET");
    });
}

#[test]
fn a_range_applies_only_if_if_range_matches_the_file() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let export = consumer.completed().await;
        let link = consumer.link(&id_of(&export)).await;
        let whole = consumer.follow(&link).await.expect(200);
        let tag = whole.header("etag").unwrap();
        assert!(tag.starts_with('"'), "a strong tag: {tag}");
        let date = whole.header("last-modified").unwrap();
        let weak = format!("W/{tag}");
        for (condition, status) in [
            (tag, 206),
            (date, 206),
            ("\"another\"", 200),
            (&weak, 200),
            ("Sat, 06 Dec 2025 12:05:00 GMT", 200),
            ("nonsense", 200),
        ] {
            let headers = [("Range", "bytes=3-6"), ("If-Range", condition)];
            let reply = ask(&consumer, Method::GET, &link, &headers).await;
            assert_eq!(reply.status, status, "{condition}");
            let expected = if status == 206 {
                &whole.body[3..7]
            } else {
                &whole.body
            };
            assert_eq!(reply.body, expected, "{condition}");
        }
        let headers = [("Range", "bytes=999999-"), ("If-Range", "\"another\"")];
        let reply = ask(&consumer, Method::GET, &link, &headers).await;
        assert_eq!(reply.status, 200, "a range for another file is ignored");
    });
}

#[test]
fn a_download_resumed_with_new_links_returns_the_same_bytes() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let export = consumer.completed().await;
        let id = id_of(&export);
        let mut file = Vec::new();
        let size = usize::try_from(export["file_size_bytes"].as_u64().unwrap()).unwrap();
        while file.len() < size {
            // Each part uses a new link, as after the expiry of the first one.
            let link = consumer.link(&id).await;
            let range = format!("bytes={}-{}", file.len(), file.len() + 99);
            let part = ask(&consumer, Method::GET, &link, &[("Range", &range)]).await;
            file.extend_from_slice(&part.expect(206).body);
        }
        let whole = consumer.follow(&consumer.link(&id).await).await;
        assert_eq!(file, whole.body);
    });
}
