//! The headers of a create and of a retry, as `/openapi.json` describes them.

use utoipa::IntoParams;

/// `idempotency_key` and `prefer` read them.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only the description of the headers")]
pub(crate) struct CreateHeaders {
    /// 1 to 255 visible ASCII characters, bare or as a quoted string (RFC 8941): `"key"` is the same key as `key`. For 24 hours, the
    /// same key with the same request returns the first export instead of creating a second one.
    #[param(
        rename = "Idempotency-Key",
        pattern = r#"^([!#-~][!-~]{0,254}|"([!#-\[\]-~]|\\["\\]){1,255}")$"#
    )]
    idempotency_key: Option<String>,
    /// `wait=10`: the response comes as soon as the export has ended, or after so many seconds with the export as it is. A longer time
    /// than 60 seconds counts as 60; a value that is no whole number is ignored
    #[param(rename = "Prefer")]
    prefer: Option<String>,
}
