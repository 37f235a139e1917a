//! A headless Chromium with its driver. Both end with the test, even if the test is killed.

use std::path::{Path, PathBuf};
use std::process::Command;

use exports_sandbox::TemporaryFolder;
use exports_sandbox::process::Process;
use exports_tests::{TIMEOUT, eventually, not_run};
use serde_json::{Value, json};

use crate::webdriver::{Element, WebDriver};

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
        let driver = WebDriver::open(&address, capabilities(folder.path())).await;
        let script = json!({ "source": VIOLATIONS });
        let method = "Page.addScriptToEvaluateOnNewDocument";
        let _ = driver.command(method, script).await;
        Some(Self {
            driver,
            _process: process,
            folder,
        })
    }

    /// Loads a page.
    pub(crate) async fn load(&self, url: &str) {
        self.driver.load(url).await;
    }

    pub(crate) async fn reload(&self) {
        self.driver.reload().await;
    }

    pub(crate) async fn url(&self) -> String {
        self.driver.url().await
    }

    /// Runs the body of a function, and returns its result.
    pub(crate) async fn run(&self, script: &str) -> Value {
        self.driver.execute(script, json!([])).await
    }

    /// The same with one argument.
    pub(crate) async fn run_with(&self, script: &str, argument: impl Into<Value>) -> Value {
        self.driver
            .execute(script, Value::Array(vec![argument.into()]))
            .await
    }

    /// Runs the body of an async function.
    pub(crate) async fn run_async(&self, script: &str) -> Value {
        let script = format!(
            "const done = arguments[arguments.length - 1];
             (async () => {{ {script} }})().then(done, (error) => done(String(error)));"
        );
        self.driver.execute_async(&script).await
    }

    /// Sends a command of the `DevTools` protocol.
    pub(crate) async fn command(&self, method: &str, parameters: Value) -> Value {
        self.driver.command(method, parameters).await
    }

    /// Waits for the first visible element that a selector finds.
    pub(crate) async fn wait_for(&self, selector: &str) -> Element {
        eventually(&format!("{selector} is visible"), TIMEOUT, async || {
            for element in self.driver.find(selector).await {
                if self.driver.is_displayed(&element).await {
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
        let fact = format!("{selector} can be clicked");
        eventually(&fact, TIMEOUT, async || {
            // It may be replaced by a newer one between the two commands.
            let element = self.wait_for(selector).await;
            self.driver.click(&element).await.ok()
        })
        .await;
    }

    /// Replaces the text of a control.
    pub(crate) async fn fill(&self, selector: &str, text: &str) {
        let element = self.wait_for(selector).await;
        self.driver.clear(&element).await;
        self.driver.send_keys(&element, text).await;
    }

    /// Presses keys in the element that has the focus.
    pub(crate) async fn press(&self, keys: &str) {
        let focused = self.driver.focused().await;
        self.driver.send_keys(&focused, keys).await;
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
        let log = self.driver.log().await;
        let bad = |entry: &Value| matches!(entry["level"].as_str(), Some("SEVERE" | "WARNING"));
        let log = log.into_iter().filter(bad);
        let log = log.map(|entry| entry["message"].as_str().unwrap_or_default().to_owned());
        let violations = self.run("return window.violations ?? []").await;
        let violations = violations.as_array().unwrap().clone();
        let violations = violations.into_iter().map(|it| format!("CSP: {it}"));
        log.chain(violations).collect()
    }

    pub(crate) async fn quit(self) {
        self.driver.quit().await;
    }
}

fn capabilities(folder: &Path) -> Value {
    let arguments = [
        "--headless=new",
        // Chromium's sandbox does not work for root.
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--no-first-run",
        // Its own requests would be in the log.
        "--disable-background-networking",
        "--window-size=1280,900",
        &format!("--user-data-dir={}", folder.join("profile").display()),
    ];
    let preferences = json!({
        "download.default_directory": folder.join("downloads"),
        "download.prompt_for_download": false,
    });
    json!({
        "browserName": "chrome",
        "goog:chromeOptions": {"args": arguments, "prefs": preferences},
        "goog:loggingPrefs": {"browser": "ALL"},
    })
}

fn installed(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut places = std::env::split_paths(&path).map(|folder| folder.join(program));
    places.find(|place| place.is_file())
}
