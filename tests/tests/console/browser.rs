//! A headless Chromium with its driver. Both end with the test, even if the test is killed.

use std::path::{Path, PathBuf};
use std::process::Command;

use exports_sandbox::TemporaryFolder;
use exports_sandbox::process::Process;
use exports_tests::{TIMEOUT, eventually, http_client, not_run};
use serde_json::{Value, json};
use thirtyfour::prelude::*;
use thirtyfour::{
    BrowserLogEntry, ChromeCapabilities, ChromiumLikeCapabilities, LoggingPrefsLogLevel,
};

/// Collects the violations of the content security policy in every document.
const VIOLATIONS: &str = "window.violations = []; \
    document.addEventListener('securitypolicyviolation', (event) => \
    window.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`))";

pub(crate) struct Browser {
    driver: WebDriver,
    _process: Process,
    // Last: the reaper ends the browser, then removes its profile.
    folder: TemporaryFolder,
}

impl Browser {
    /// None, with a message, if there is no Chromium.
    pub(crate) async fn start() -> Option<Self> {
        let Some(program) = installed("chromedriver") else {
            let has_to_be = std::env::var_os("CI").is_some_and(|ci| ci == "true");
            assert!(!has_to_be, "chromedriver is not installed");
            not_run(
                "there is no chromedriver; on Debian: apt-get install chromium chromium-driver",
            );
            return None;
        };
        // Installs the TLS provider that every client of reqwest needs.
        let _ = http_client();
        let folder = TemporaryFolder::create("browser").unwrap();
        let mut command = Command::new(program);
        command.arg("--port=0");
        // Chromium keeps its profile here, too.
        command.env("HOME", folder.path());
        command.env("TMPDIR", folder.path());
        let builder = Process::builder("chromedriver", command).keep_log_on_panic();
        let process = builder.folder(&folder).start().unwrap();
        let port = eventually("chromedriver listens", TIMEOUT, async || {
            let output = process.output();
            let (_, rest) = output.split_once("started successfully on port ")?;
            Some(rest.split_once('.')?.0.to_owned())
        })
        .await;
        let address = format!("http://127.0.0.1:{port}");
        let driver = WebDriver::new(address, capabilities(folder.path()));
        let driver = driver.await.unwrap();
        let script = json!({ "source": VIOLATIONS });
        let cdp = driver.cdp();
        let added = cdp.send_raw("Page.addScriptToEvaluateOnNewDocument", script);
        added.await.unwrap();
        Some(Self {
            driver,
            _process: process,
            folder,
        })
    }

    /// Loads a page.
    pub(crate) async fn load(&self, url: &str) {
        self.driver.goto(url).await.unwrap();
    }

    pub(crate) async fn reload(&self) {
        self.driver.refresh().await.unwrap();
    }

    pub(crate) async fn url(&self) -> String {
        self.driver.current_url().await.unwrap().into()
    }

    /// Runs the body of a function, and returns its result.
    pub(crate) async fn run(&self, script: &str) -> Value {
        let result = self.driver.execute(script, Vec::new()).await;
        result.unwrap().json().clone()
    }

    /// The same with one argument.
    pub(crate) async fn run_with(&self, script: &str, argument: impl Into<Value>) -> Value {
        let result = self.driver.execute(script, vec![argument.into()]).await;
        result.unwrap().json().clone()
    }

    /// Runs the body of an async function.
    pub(crate) async fn run_async(&self, script: &str) -> Value {
        let script = format!(
            "const done = arguments[arguments.length - 1];
             (async () => {{ {script} }})().then(done, (error) => done(String(error)));"
        );
        let result = self.driver.execute_async(script, Vec::new()).await;
        result.unwrap().json().clone()
    }

    /// Sends a command of the `DevTools` protocol.
    pub(crate) async fn command(&self, method: &str, parameters: Value) -> Value {
        let answer = self.driver.cdp().send_raw(method, parameters).await;
        answer.unwrap()
    }

    /// Waits for the first visible element that a selector finds.
    pub(crate) async fn wait_for(&self, selector: &str) -> WebElement {
        eventually(&format!("{selector} is visible"), TIMEOUT, async || {
            for element in self.driver.find_all(By::Css(selector)).await.ok()? {
                // It may have been replaced meanwhile.
                if element.is_displayed().await.unwrap_or(false) {
                    return Some(element);
                }
            }
            None
        })
        .await
    }

    /// Waits until nothing visible matches.
    pub(crate) async fn wait_until_gone(&self, selector: &str) {
        eventually(&format!("{selector} is gone"), TIMEOUT, async || {
            (!self.is_visible(selector).await).then_some(())
        })
        .await;
    }

    pub(crate) async fn is_visible(&self, selector: &str) -> bool {
        let script = "return [...document.querySelectorAll(arguments[0])].some((it) => it.checkVisibility())";
        self.run_with(script, selector).await == true
    }

    /// Waits until the text of the first visible element contains this.
    pub(crate) async fn wait_for_text(&self, selector: &str, expected: &str) -> String {
        let fact = format!("{selector} shows {expected:?}");
        eventually(&fact, TIMEOUT, async || {
            let text = self.text_of(selector).await?;
            text.contains(expected).then_some(text)
        })
        .await
    }

    /// The text of the first visible element.
    pub(crate) async fn text_of(&self, selector: &str) -> Option<String> {
        let script = "return [...document.querySelectorAll(arguments[0])].find((it) => it.checkVisibility())?.innerText";
        let text = self.run_with(script, selector).await;
        text.as_str().map(str::to_owned)
    }

    /// Clicks, as a person does: the element has to be visible and nothing may cover it.
    pub(crate) async fn click(&self, selector: &str) {
        let element = self.wait_for(selector).await;
        element.scroll_into_view().await.unwrap();
        element.click().await.unwrap();
    }

    /// Replaces the text of a control.
    pub(crate) async fn fill(&self, selector: &str, text: &str) {
        let element = self.wait_for(selector).await;
        element.clear().await.unwrap();
        element.send_keys(text).await.unwrap();
    }

    /// Presses keys in the element that has the focus.
    pub(crate) async fn press(&self, keys: impl Into<TypingData>) {
        let focused = self.driver.active_element().await.unwrap();
        focused.send_keys(keys).await.unwrap();
    }

    /// Chooses the option with this value.
    pub(crate) async fn choose(&self, selector: &str, value: &str) {
        let _ = self.wait_for(selector).await;
        self.click(&format!("{selector} option[value=\"{value}\"]"))
            .await;
    }

    /// Where downloads go.
    pub(crate) fn downloads(&self) -> PathBuf {
        self.folder.path().join("downloads")
    }

    /// What the browser reported since the last call: errors, warnings, violations.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let log: Vec<BrowserLogEntry> = self.driver.get_log("browser").await.unwrap();
        let bad = |entry: &BrowserLogEntry| matches!(&*entry.level, "SEVERE" | "WARNING");
        let log = log.into_iter().filter(bad).map(|entry| entry.message);
        let violations = self.run("return window.violations ?? []").await;
        let violations = violations.as_array().unwrap().clone();
        let violations = violations.into_iter().map(|it| format!("CSP: {it}"));
        log.chain(violations).collect()
    }

    pub(crate) async fn quit(self) {
        self.driver.quit().await.unwrap();
    }
}

fn capabilities(folder: &Path) -> ChromeCapabilities {
    let mut capabilities = DesiredCapabilities::chrome();
    let profile = format!("--user-data-dir={}", folder.join("profile").display());
    for argument in [
        "--headless=new",
        // Chromium's sandbox does not work for root.
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--no-first-run",
        // Its own requests would be in the log.
        "--disable-background-networking",
        "--window-size=1280,900",
        &profile,
    ] {
        capabilities.add_arg(argument).unwrap();
    }
    let preferences = json!({
        "download.default_directory": folder.join("downloads"),
        "download.prompt_for_download": false,
    });
    let set = capabilities.add_experimental_option("prefs", preferences);
    set.unwrap();
    let logs = capabilities.set_browser_log_level(LoggingPrefsLogLevel::All);
    logs.unwrap();
    capabilities
}

fn installed(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut places = std::env::split_paths(&path).map(|folder| folder.join(program));
    places.find(|place| place.is_file())
}
