//! The links to `GET /files/{id}`: building and parsing them.

use exports_domain::ExportId;
use exports_objects::{LinkSigner, SignedObject};

use crate::query::Query;

/// The object that a link is for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LinkedObject {
    pub(crate) export: ExportId,
    /// The number of the file, from 1.
    pub(crate) number: u32,
    pub(crate) key: String,
}

impl LinkedObject {
    /// A link, valid until `expires` (Unix seconds). The signature is over the key, and so over the number of the file.
    pub(crate) fn url(&self, public_url: &str, signer: &LinkSigner, expires: i64) -> String {
        let Self {
            export,
            number,
            key,
        } = self;
        let signature = signer.sign(&export.to_string(), key, expires);
        let file = match number {
            1 => String::new(),
            _ => format!("file={number}&"),
        };
        format!("{public_url}/files/{export}?{file}expires={expires}&signature={signature}")
    }
}

/// The query parameters of a link.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SignedParameters {
    /// The number of the file, from 1.
    pub(crate) file: u32,
    pub(crate) expires: i64,
    signature: String,
}

impl SignedParameters {
    pub(crate) fn parse(raw: Option<&str>) -> Option<Self> {
        let query = Query::parse(raw, &["file", "expires", "signature"]).ok()?;
        let expires = query.get("expires")?;
        // Only one spelling is valid.
        let seconds = expires.parse::<i64>().ok();
        let file = match query.get("file") {
            None => 1,
            Some(text) => {
                let number = text.parse::<u32>().ok();
                number.filter(|it| *it > 1 && it.to_string() == text)?
            }
        };
        Some(Self {
            file,
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
        for number in [1, 2, 12_345] {
            let object = LinkedObject {
                export: id,
                number,
                key: key.to_owned(),
            };
            let url = object.url("https://example.com", &signer, 1_790_000_000);
            let (path, query) = url.split_once('?').unwrap();
            assert_eq!(path, format!("https://example.com/files/{id}"));
            assert_eq!(query.contains("file="), number > 1, "{query}");
            let parameters = SignedParameters::parse(Some(query)).unwrap();
            assert_eq!(
                (parameters.file, parameters.expires),
                (number, 1_790_000_000)
            );
            check(&signer, id, &parameters);
        }
    }

    fn check(signer: &LinkSigner, id: ExportId, parameters: &SignedParameters) {
        let object = parameters.verify(signer, id).unwrap();
        assert!(object.is("proj_a/b/c.csv") && !object.is("proj_a/b/d.csv"));
        assert_eq!(parameters.verify(signer, ExportId::generate()), None);
    }

    #[test]
    fn a_link_must_have_its_parameters_once_and_no_others() {
        for bad in [
            "",
            "expires=1",
            "signature=a",
            "expires=&signature=a",
            "expires=1&signature=",
            "expires=1&expires=1&signature=a",
            "expires=1&signature=a&x=1",
            "file=1&expires=1&signature=a",
            "file=02&expires=1&signature=a",
            "file=x&expires=1&signature=a",
            "expires=-1&signature=a",
            "expires=%2B1&signature=a",
            "expires=01&signature=a",
            "expires=99999999999999999999&signature=a",
        ] {
            assert_eq!(SignedParameters::parse(Some(bad)), None, "{bad}");
        }
    }
}
