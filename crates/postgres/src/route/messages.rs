//! Protocol messages that the gateway writes.

use std::io;

use bytes::{BufMut, BytesMut};

use crate::error::Error;
use crate::wire::SessionInfo;

/// The messages of a server after a successful login.
pub(super) fn login_succeeded(info: &SessionInfo) -> BytesMut {
    let mut bytes = BytesMut::new();
    put(&mut bytes, b'R', &[&0_i32.to_be_bytes()]);
    for (name, value) in &info.parameters {
        put(&mut bytes, b'S', &[&terminated(name), &terminated(value)]);
    }
    let (process_id, secret_key) = (info.process_id.to_be_bytes(), info.secret_key.to_be_bytes());
    put(&mut bytes, b'K', &[&process_id, &secret_key]);
    put(&mut bytes, b'Z', &[b"I"]);
    bytes
}

/// The error message of a server that refuses a login.
pub(super) fn login_failed(error: &Error) -> BytesMut {
    let state = error.sql_state().unwrap_or_else(|| {
        // The pool retries `cannot_connect_now`, as it retries a refused direct connection.
        let code = if is_temporary(error) {
            "57P03"
        } else {
            "08001"
        };
        code.to_owned()
    });
    let mut bytes = BytesMut::new();
    let (state, reason) = (terminated(&state), terminated(&error.reason()));
    put(
        &mut bytes,
        b'E',
        &[b"SFATAL\0VFATAL\0C", &state, b"M", &reason, b"\0"],
    );
    bytes
}

fn is_temporary(error: &Error) -> bool {
    matches!(error, Error::Unavailable { source: sqlx::Error::Io(reason), .. }
        if !matches!(reason.kind(), io::ErrorKind::InvalidData | io::ErrorKind::Other
            | io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported))
}

/// Appends a message of a kind, whose body is the parts.
pub(super) fn put(out: &mut BytesMut, kind: u8, parts: &[&[u8]]) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    out.put_u8(kind);
    // The body is short or has about the size of a received message, so the length fits.
    out.put_u32(u32::try_from(length + 4).unwrap_or(u32::MAX));
    for part in parts {
        out.extend_from_slice(part);
    }
}

/// A NUL-terminated text.
fn terminated(text: &str) -> Vec<u8> {
    let bytes = text.bytes().filter(|byte| *byte != 0);
    bytes.chain([0]).collect()
}
