//! Protocol messages that the gateway sends to sqlx.

use std::io;

use bytes::{BufMut, BytesMut};

use crate::error::Error;
use crate::wire::SessionInfo;

/// The messages of a server after a successful login.
pub(super) fn login_succeeded(info: &SessionInfo) -> BytesMut {
    let mut bytes = BytesMut::new();
    put(&mut bytes, b'R', |body| body.put_i32(0));
    for (name, value) in &info.parameters {
        put(&mut bytes, b'S', |body| {
            put_text(body, name);
            put_text(body, value);
        });
    }
    put(&mut bytes, b'K', |body| {
        body.put_i32(info.process_id);
        body.put_i32(info.secret_key);
    });
    put(&mut bytes, b'Z', |body| body.put_u8(b'I'));
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
    put(&mut bytes, b'E', |body| {
        for (field, value) in [
            (b'S', "FATAL"),
            (b'V', "FATAL"),
            (b'C', &state),
            (b'M', &error.reason()),
        ] {
            body.put_u8(field);
            put_text(body, value);
        }
        body.put_u8(0);
    });
    bytes
}

fn is_temporary(error: &Error) -> bool {
    matches!(error, Error::Unavailable { source: sqlx::Error::Io(reason), .. }
        if !matches!(reason.kind(), io::ErrorKind::InvalidData | io::ErrorKind::Other
            | io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported))
}

/// Appends a message of a kind.
fn put(bytes: &mut BytesMut, kind: u8, write: impl FnOnce(&mut BytesMut)) {
    let mut body = BytesMut::new();
    write(&mut body);
    bytes.put_u8(kind);
    // The messages are short, so the length fits.
    bytes.put_u32(u32::try_from(body.len() + 4).unwrap_or(u32::MAX));
    bytes.extend_from_slice(&body);
}

fn put_text(bytes: &mut BytesMut, text: &str) {
    bytes.extend(text.bytes().filter(|byte| *byte != 0));
    bytes.put_u8(0);
}
