//! Asynchronous messages at every position of a response. A server may send them at any time.

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::WireConnection;
use super::connection::MAX_ANSWER;
use crate::error::Error;

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(4 + body.len()).unwrap();
    [&[kind], length.to_be_bytes().as_slice(), body].concat()
}

fn notice() -> Vec<u8> {
    message(b'N', b"SWARNING\0C01000\0Man old key was used\0\0")
}

fn refusal(state: &str) -> Vec<u8> {
    message(b'E', format!("SERROR\0C{state}\0Mno\0\0").as_bytes())
}

/// A changed setting, and a notification of process 7.
fn others() -> [Vec<u8>; 2] {
    [
        message(b'S', b"TimeZone\0UTC\0"),
        message(b'A', b"\0\0\0\x07channel\0payload\0"),
    ]
}

fn ready() -> Vec<u8> {
    message(b'Z', b"I")
}

/// A connection and its server side.
fn connected() -> (WireConnection, DuplexStream) {
    let (ours, theirs) = duplex(1 << 20);
    (WireConnection::over(ours), theirs)
}

/// Receives a statement and sends the response.
async fn answer(server: &mut DuplexStream, messages: &[Vec<u8>]) {
    let mut head = [0; 5];
    server.read_exact(&mut head).await.unwrap();
    let length = u32::from_be_bytes(head[1..].try_into().unwrap());
    let mut text = vec![0; length as usize - 4];
    server.read_exact(&mut text).await.unwrap();
    server.write_all(&messages.concat()).await.unwrap();
}

#[tokio::test]
async fn asynchronous_messages_do_not_change_rows() {
    let data = |row: &str| message(b'd', row.as_bytes());
    let answers = [
        message(b'H', &[1, 0, 1, 0, 1]),
        data("first,"),
        data("second,"),
        data("third"),
        message(b'c', b""),
        message(b'C', b"COPY 3\0"),
        ready(),
    ];
    let asides = [vec![notice()], others().to_vec(), vec![notice(), notice()]];
    for aside in asides {
        for place in 0..answers.len() {
            let mut messages = answers.to_vec();
            for message in &aside {
                messages.insert(place, message.clone());
            }
            let (mut connection, mut server) = connected();
            let (rows, ()) = tokio::join!(
                async {
                    let mut copy = connection.copy("COPY").await.unwrap();
                    let mut rows = Vec::new();
                    while copy.read(&mut rows, usize::MAX).await.unwrap() {}
                    rows
                },
                answer(&mut server, &messages)
            );
            assert_eq!(rows, b"first,second,third", "before message {place}");
            // The next statement gets its own response.
            let value = [message(b'D', b"\0\x01\0\0\0\x011"), ready()];
            let (found, ()) = tokio::join!(connection.query("SELECT"), answer(&mut server, &value));
            assert_eq!(found.unwrap(), [[Some("1".to_owned())]]);
        }
    }
}

#[tokio::test]
async fn a_notice_split_over_two_reads_is_skipped() {
    let start = [
        message(b'H', &[1, 0, 0]),
        message(b'd', b"first,"),
        notice(),
    ]
    .concat();
    let rest = [
        message(b'd', b"second"),
        message(b'c', b""),
        message(b'C', b"COPY 2\0"),
        ready(),
    ]
    .concat();
    for cut in 0..notice().len() {
        let (mut connection, mut server) = connected();
        let (first, second) = start.split_at(start.len() - cut);
        let (rows, ()) = tokio::join!(
            async {
                let mut copy = connection.copy("COPY").await.unwrap();
                let mut rows = Vec::new();
                while copy.read(&mut rows, usize::MAX).await.unwrap() {}
                rows
            },
            async {
                answer(&mut server, &[first.to_vec()]).await;
                tokio::task::yield_now().await;
                server.write_all(second).await.unwrap();
                server.write_all(&rest).await.unwrap();
            }
        );
        assert_eq!(rows, b"first,second", "{cut} bytes come later");
    }
}

#[tokio::test]
async fn a_statement_after_an_error_gets_its_own_response() {
    let (mut connection, mut server) = connected();
    let refused = [notice(), refusal("42501"), ready()];
    let (answered, ()) = tokio::join!(connection.query("LOCK"), answer(&mut server, &refused));
    let error = answered.unwrap_err();
    assert_eq!(error.sql_state().as_deref(), Some("42501"));
    let value = [message(b'D', b"\0\x01\0\0\0\x012"), ready()];
    let (found, ()) = tokio::join!(connection.query("SELECT"), answer(&mut server, &value));
    assert_eq!(found.unwrap(), [[Some("2".to_owned())]]);
}

/// One row with one value.
fn row(value: &[u8]) -> Vec<u8> {
    let length = u32::try_from(value.len()).unwrap();
    let fields = [b"\0\x01", length.to_be_bytes().as_slice(), value].concat();
    message(b'D', &fields)
}

#[tokio::test]
async fn a_message_that_is_too_large_is_refused_before_it_is_received() {
    for kind in [b'D', b'N', b'E'] {
        let (mut connection, mut server) = connected();
        let length = u32::try_from(MAX_ANSWER + 1).unwrap().to_be_bytes();
        // Only the start of the message arrives.
        let start = [[&[kind], length.as_slice(), b"S"].concat()];
        let (answered, ()) = tokio::join!(connection.query("SELECT"), answer(&mut server, &start));
        let error = answered.unwrap_err();
        assert!(matches!(error, Error::AnswerTooLarge { .. }), "{error}");
        assert!(connection.received.capacity() < MAX_ANSWER / 16);
    }
}

#[tokio::test]
async fn the_rows_of_an_answer_are_bounded_together() {
    let (mut connection, mut server) = connected();
    let rows = vec![row(&vec![b'x'; MAX_ANSWER / 4]); 5];
    // Moved, so that the connection is closed after the error.
    let asking = async move { connection.query("SELECT").await };
    let (answered, ()) = tokio::join!(asking, async {
        let mut request = [0; 12];
        server.read_exact(&mut request).await.unwrap();
        server.write_all(&rows.concat()).await.ok();
    });
    let error = answered.unwrap_err();
    assert!(matches!(error, Error::AnswerTooLarge { .. }), "{error}");
}
