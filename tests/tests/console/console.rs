//! The console of a fixture, in a browser.

use exports_tests::{Fixture, FixtureBuilder, Message};
use serde_json::json;

use crate::browser::Browser;

/// The messages of a fixture: one second apart.
pub(crate) const MESSAGES: u32 = 5000;

pub(crate) struct Console {
    pub(crate) browser: Browser,
    pub(crate) fixture: Fixture,
}

impl Console {
    /// Signed in, on the list. None, with a message, if there is no browser.
    pub(crate) async fn start(builder: FixtureBuilder) -> Option<Self> {
        let console = Self::signed_out(builder).await?;
        let key = console.fixture.key().to_owned();
        console.sign_in(&key).await;
        Some(console)
    }

    /// On the page that asks for the key.
    pub(crate) async fn signed_out(builder: FixtureBuilder) -> Option<Self> {
        let browser = Browser::start().await?;
        // Receivers of webhooks are on loopback.
        let builder = builder.env("EXPORTS_WEBHOOK_ALLOWED_NETWORKS", "127.0.0.1/32");
        let fixture = builder.start().await;
        let pool = fixture.database().pool();
        Message::insert_many(pool, fixture.project(), "2025-12-01T00:00:00Z", MESSAGES).await;
        let console = Self { browser, fixture };
        console.browser.load(&console.address("")).await;
        let _ = console.browser.wait_for("#key").await;
        Some(console)
    }

    /// The address of a view: `#/exports?status=failed`.
    pub(crate) fn address(&self, hash: &str) -> String {
        format!("{}/console{hash}", self.fixture.api().base())
    }

    pub(crate) async fn sign_in(&self, key: &str) {
        self.browser.fill("#key", key).await;
        self.browser.click("button[type=submit]").await;
        self.browser.wait_until_gone("#key").await;
        let _ = self.browser.wait_for("nav a").await;
    }

    /// Opens a view by its address. The page is not loaded again, so the key stays.
    pub(crate) async fn open(&self, hash: &str, heading: &str) {
        let _ = self
            .browser
            .run_with("location.hash = arguments[0]", hash)
            .await;
        let _ = self.browser.wait_for_text("h1", heading).await;
    }

    /// Waits until the event stream is open.
    pub(crate) async fn wait_until_live(&self) {
        let _ = self.browser.wait_for("#live[data-state=live]").await;
    }

    /// Creates an export of all messages over the API.
    pub(crate) async fn create(&self, label: &str) -> String {
        let request = json!({
            "start_time": "2025-12-01T00:00:00Z",
            "end_time": "2026-01-01T00:00:00Z",
            "label": label,
        });
        let export = self.fixture.create_export(request).await;
        export["id"].as_str().unwrap().to_owned()
    }

    /// The last announcement for screen readers.
    pub(crate) async fn announced(&self) -> String {
        let script = "return document.getElementById('announcer').textContent";
        let text = self.browser.run(script).await;
        text.as_str().unwrap().trim().to_owned()
    }

    /// Ends the browser. It must have reported nothing but the responses with `expected` statuses.
    pub(crate) async fn finish(self, expected: &[u16]) {
        let complaints = self.browser.complaints().await;
        let unexpected: Vec<_> = complaints
            .iter()
            .filter(|text| {
                let known =
                    |status: &u16| text.contains(&format!("responded with a status of {status}"));
                !expected.iter().any(known)
            })
            .collect();
        assert!(unexpected.is_empty(), "{unexpected:#?}");
        self.browser.quit().await;
    }
}
