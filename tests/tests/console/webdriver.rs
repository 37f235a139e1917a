//! A client of `WebDriver` (<https://www.w3.org/TR/webdriver2/>): the commands that the tests need, and those of Chromium.
//!
//! It is our own because the libraries change more than the tests: see `docs/dependencies.md`.

use exports_tests::http_client;
use reqwest::Method;
use serde_json::{Value, json};

/// The name of a reference to an element in JSON, by the specification.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Keys, by the specification.
pub(crate) const TAB: &str = "\u{E004}";
pub(crate) const ENTER: &str = "\u{E007}";
pub(crate) const ESCAPE: &str = "\u{E00C}";
pub(crate) const SPACE: &str = " ";

/// What a driver answered if it did not succeed, such as `stale element reference: …`.
#[derive(Debug)]
pub(crate) struct Refused(#[expect(dead_code, reason = "for the message of a panic")] String);

/// One open browser.
pub(crate) struct WebDriver {
    http: reqwest::Client,
    /// The address of the session.
    base: String,
}

impl WebDriver {
    /// Opens a browser.
    pub(crate) async fn open(driver: &str, capabilities: Value) -> Self {
        let mut this = Self {
            http: http_client(),
            base: format!("{driver}/session"),
        };
        let request = json!({"capabilities": {"alwaysMatch": capabilities}});
        let opened = this.send(Method::POST, "", Some(request)).await.unwrap();
        let id = opened["sessionId"].as_str().unwrap();
        this.base = format!("{driver}/session/{id}");
        this
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Value, Refused> {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let succeeded = response.status().is_success();
        let mut answer: Value = response.json().await.unwrap();
        let value = answer["value"].take();
        if succeeded {
            return Ok(value);
        }
        let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
        Err(Refused(format!("{}: {}", text("error"), text("message"))))
    }

    async fn get(&self, path: &str) -> Result<Value, Refused> {
        self.send(Method::GET, path, None).await
    }

    async fn post(&self, path: &str, body: Value) -> Result<Value, Refused> {
        self.send(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn load(&self, url: &str) {
        self.post("/url", json!({"url": url})).await.unwrap();
    }

    pub(crate) async fn reload(&self) {
        self.post("/refresh", json!({})).await.unwrap();
    }

    pub(crate) async fn url(&self) -> String {
        let url = self.get("/url").await.unwrap();
        url.as_str().unwrap().to_owned()
    }

    /// Runs the body of a function with these arguments, and returns its result.
    pub(crate) async fn execute(&self, script: &str, arguments: Value) -> Value {
        let request = json!({"script": script, "args": arguments});
        self.post("/execute/sync", request).await.unwrap()
    }

    /// The same; the function's last argument is a callback that takes the result.
    pub(crate) async fn execute_async(&self, script: &str) -> Value {
        let request = json!({"script": script, "args": []});
        self.post("/execute/async", request).await.unwrap()
    }

    /// The elements that a CSS selector finds now.
    pub(crate) async fn find(&self, selector: &str) -> Vec<Element> {
        let request = json!({"using": "css selector", "value": selector});
        let found = self.post("/elements", request).await.unwrap();
        let found = found.as_array().unwrap().iter();
        found.map(Element::of).collect()
    }

    /// The element that has the focus.
    pub(crate) async fn focused(&self) -> Element {
        Element::of(&self.get("/element/active").await.unwrap())
    }

    /// Whether people see it; false if it has been removed meanwhile.
    pub(crate) async fn is_displayed(&self, element: &Element) -> bool {
        let path = format!("/element/{}/displayed", element.0);
        self.get(&path).await.is_ok_and(|shown| shown == true)
    }

    /// Clicks it. Refused if something covers it, or if it has been removed meanwhile.
    pub(crate) async fn click(&self, element: &Element) -> Result<(), Refused> {
        let path = format!("/element/{}/click", element.0);
        self.post(&path, json!({})).await.map(drop)
    }

    pub(crate) async fn clear(&self, element: &Element) {
        let path = format!("/element/{}/clear", element.0);
        self.post(&path, json!({})).await.unwrap();
    }

    pub(crate) async fn send_keys(&self, element: &Element, keys: &str) {
        let path = format!("/element/{}/value", element.0);
        self.post(&path, json!({"text": keys})).await.unwrap();
    }

    /// The log of the browser since the last call. Of Chromium.
    pub(crate) async fn log(&self) -> Vec<Value> {
        let log = self.post("/se/log", json!({"type": "browser"})).await;
        log.unwrap().as_array().unwrap().clone()
    }

    /// A command of the `DevTools` protocol. Of Chromium.
    pub(crate) async fn command(&self, method: &str, parameters: Value) -> Value {
        let request = json!({"cmd": method, "params": parameters});
        self.post("/goog/cdp/execute", request).await.unwrap()
    }

    pub(crate) async fn quit(self) {
        self.send(Method::DELETE, "", None).await.unwrap();
    }
}

/// A reference to an element of the page.
#[derive(Debug, Clone)]
pub(crate) struct Element(String);

impl Element {
    fn of(reference: &Value) -> Self {
        Self(reference[ELEMENT].as_str().unwrap().to_owned())
    }
}
