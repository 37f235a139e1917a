//! The links to `GET /files/{id}`: building and parsing them.

use exports_domain::ExportId;
use exports_objects::{LinkSigner, SignedObject};

use crate::query::Query;

/// A link to a file, valid until `expires` (Unix seconds).
pub(crate) fn url(
    public_url: &str,
    signer: &LinkSigner,
    id: ExportId,
    object_key: &str,
    expires: i64,
) -> String {
    let signature = signer.sign(&id.to_string(), object_key, expires);
    format!("{public_url}/files/{id}?expires={expires}&signature={signature}")
}

/// The query parameters of a link.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SignedParameters {
    pub(crate) expires: i64,
    signature: String,
}

impl SignedParameters {
    pub(crate) fn parse(raw: Option<&str>) -> Option<Self> {
        let query = Query::parse(raw, &["expires", "signature"]).ok()?;
        let expires = query.get("expires")?;
        // Only one spelling is valid.
        let seconds = expires.parse::<i64>().ok();
        Some(Self {
            expires: seconds.filter(|it| *it >= 0 && it.to_string() == expires)?,
            signature: query.get("signature")?.to_owned(),
        })
    }

    /// The object that the link is for, if its signature is valid. It may be an object that the export had before.
    pub(crate) fn verify(&self, signer: &LinkSigner, id: ExportId) -> Option<SignedObject> {
        signer.verify(&id.to_string(), self.expires, &self.signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_round_trips() {
        let signer = LinkSigner::new(&[7; 32]);
        let (id, key) = (ExportId::generate(), "proj_a/b/c.csv");
        let url = url("https://example.com", &signer, id, key, 1_790_000_000);
        let (path, query) = url.split_once('?').unwrap();
        assert_eq!(path, format!("https://example.com/files/{id}"));
        let parameters = SignedParameters::parse(Some(query)).unwrap();
        assert_eq!(parameters.expires, 1_790_000_000);
        let object = parameters.verify(&signer, id).unwrap();
        assert!(object.is(key) && !object.is("proj_a/b/d.csv"));
        assert_eq!(parameters.verify(&signer, ExportId::generate()), None);
    }

    #[test]
    fn a_link_must_have_both_parameters_once_and_no_others() {
        for bad in [
            "",
            "expires=1",
            "signature=a",
            "expires=&signature=a",
            "expires=1&signature=",
            "expires=1&expires=1&signature=a",
            "expires=1&signature=a&x=1",
            "expires=-1&signature=a",
            "expires=%2B1&signature=a",
            "expires=01&signature=a",
            "expires=99999999999999999999&signature=a",
        ] {
            assert_eq!(SignedParameters::parse(Some(bad)), None, "{bad}");
        }
    }
}
