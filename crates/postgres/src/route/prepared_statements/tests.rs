//! Rewritten messages.

use super::*;

fn message(kind: u8, body: &[u8]) -> Bytes {
    let mut out = BytesMut::new();
    put(&mut out, kind, &[body]);
    out.freeze()
}

/// The messages that the server receives, each as its kind and body.
fn rewritten(
    statements: &mut Statements,
    answers: &mut VecDeque<Expected>,
    sent: &[(u8, &[u8])],
) -> Vec<(u8, Vec<u8>)> {
    let mut out = BytesMut::new();
    for (kind, body) in sent {
        statements.rewrite(&message(*kind, body), &mut out, answers);
    }
    let mut rewritten = Vec::new();
    while let Some(message) = next_message(&mut out).unwrap() {
        rewritten.push((message[0], message[5..].to_vec()));
    }
    rewritten
}

#[test]
fn a_statement_is_parsed_before_each_use() {
    let (mut statements, mut answers) = (Statements::default(), VecDeque::new());
    let prepared = rewritten(
        &mut statements,
        &mut answers,
        &[
            (b'P', b"s_1\0SELECT 1\0\0\0"),
            (b'D', b"Ss_1\0"),
            (b'S', b""),
        ],
    );
    let parse = (b'P', b"\0SELECT 1\0\0\0".to_vec());
    assert_eq!(
        prepared,
        [parse.clone(), (b'D', b"S\0".to_vec()), (b'S', Vec::new())]
    );
    assert!(!is_hidden(b'1', &mut answers) && !is_hidden(b'Z', &mut answers));

    for _ in 0..2 {
        let used = rewritten(
            &mut statements,
            &mut answers,
            &[(b'B', b"\0s_1\0values"), (b'E', b"\0\0\0\0\0"), (b'S', b"")],
        );
        assert_eq!(used[..2], [parse.clone(), (b'B', b"\0\0values".to_vec())]);
        assert!(is_hidden(b'1', &mut answers));
        // An error discards the expected answers.
        assert!(!is_hidden(b'E', &mut answers) && !is_hidden(b'Z', &mut answers));
        assert!(answers.is_empty());
    }

    let closed = rewritten(
        &mut statements,
        &mut answers,
        &[(b'C', b"Ss_1\0"), (b'S', b"")],
    );
    assert_eq!(closed[0], (b'C', b"S\0".to_vec()));
    // The server reports that the statement does not exist.
    let unknown = rewritten(&mut statements, &mut answers, &[(b'B', b"\0s_1\0")]);
    assert_eq!(unknown, [(b'B', b"\0s_1\0".to_vec())]);
}

#[test]
fn messages_are_reassembled_from_any_two_reads() {
    let whole = [
        message(b'1', b""),
        message(b'D', b"row"),
        message(b'Z', b"I"),
    ]
    .concat();
    for cut in 0..whole.len() {
        let mut received = BytesMut::from(&whole[..cut]);
        let mut kinds = Vec::new();
        for rest in [&whole[cut..], &[]] {
            while let Some(message) = next_message(&mut received).unwrap() {
                kinds.push(message[0]);
            }
            received.extend_from_slice(rest);
        }
        assert_eq!(kinds, b"1DZ", "{cut}");
    }
    assert!(next_message(&mut BytesMut::from(&b"D\0\0\0\x01"[..])).is_err());
}
