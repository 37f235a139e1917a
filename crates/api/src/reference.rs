//! `/docs`: the API reference, `/openapi.json` for people.
//!
//! Swagger UI shows the document. It is part of the program, from the crate `utoipa-swagger-ui`, and works with the policy of
//! [`pages`](crate::pages): it inserts no inline styles and needs nothing of another origin. Our own files switch off what sends
//! requests, and correct contrast, names of controls and narrow screens.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use axum::body::Bytes;

use crate::pages::{Asset, Page, assets};

pub(crate) const PATH: &str = "/docs";

/// The page.
pub(crate) static PAGE: LazyLock<Page> = LazyLock::new(|| {
    let mut assets = assets!["reference": "index.html", "main.js", "style.css"];
    let icon = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/console/icon.svg"));
    assets.push(Asset::new("icon.svg", icon.as_slice()));
    assets.extend(["swagger-ui-bundle.js", "swagger-ui.css"].map(swagger_ui));
    Page { path: PATH, assets }
});

/// A file of Swagger UI. It is compressed in the program: 440 KiB instead of 1.7 MiB.
fn swagger_ui(name: &'static str) -> Asset {
    let file = utoipa_swagger_ui::serve(name, Arc::default());
    let file = file.ok().flatten().expect("the crate has this file");
    let content = match file.bytes {
        Cow::Borrowed(content) => Bytes::from_static(content),
        Cow::Owned(content) => content.into(),
    };
    if file.gzpipped {
        Asset::gzipped(name, content)
    } else {
        Asset::new(name, content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swagger_ui_is_compressed_and_small() {
        let size: usize = PAGE.assets.iter().map(|asset| asset.content.len()).sum();
        assert!(size <= 500 << 10, "{size}");
        for asset in &PAGE.assets {
            let is_gzip = asset.content.starts_with(&[0x1f, 0x8b]);
            assert_eq!(
                is_gzip,
                asset.name.starts_with("swagger-ui"),
                "{}",
                asset.name
            );
        }
    }

    /// A proxy may add a path in front of the API.
    #[test]
    fn all_addresses_are_relative() {
        for asset in PAGE
            .assets
            .iter()
            .filter(|asset| !asset.name.starts_with("swagger-ui"))
        {
            let text = std::str::from_utf8(&asset.content).unwrap();
            let text = text.replace("http://www.w3.org/2000/svg", "");
            for absolute in ["=\"/", ": \"/", "url(/", "://"] {
                assert!(!text.contains(absolute), "{} has {absolute}", asset.name);
            }
        }
    }
}
