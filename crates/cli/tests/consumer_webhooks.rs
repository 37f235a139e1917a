//! `exportctl webhook` on the real services.

mod run;

use exports_tests::{Fixture, StoreKind};
use serde_json::Value;

use run::{Answer, exportctl_with};

const URL: &str = "https://example.com/hooks";

struct Consumer(Fixture);

impl Consumer {
    async fn run(&self, command: &str) -> Answer {
        let environment = [
            ("EXPORTS_API_URL", self.0.api().base()),
            ("EXPORTS_API_KEY", self.0.key()),
        ];
        let arguments: Vec<_> = std::iter::once("webhook")
            .chain(command.split(' '))
            .collect();
        exportctl_with(&environment, &arguments).await
    }

    async fn json(&self, command: &str) -> Value {
        let out = self.run(&format!("{command} --json")).await.ok();
        serde_json::from_str(&out).expect("JSON")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_manages_webhooks() {
    let consumer = Consumer(Fixture::builder().store(StoreKind::File).start().await);
    let empty = consumer.run("list").await;
    assert!(
        empty
            .err
            .contains("Create one with 'exportctl webhook create URL'"),
        "{}",
        empty.err
    );

    let created = consumer
        .run(&format!("create {URL} --event expired --event failed"))
        .await;
    assert!(
        created.err.contains("it cannot be shown again"),
        "{}",
        created.err
    );
    let created = created.ok();
    let line = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        let value = line.and_then(|line| line.split_whitespace().nth(1));
        value.expect("the field").to_owned()
    };
    let (id, secret) = (line(&created, "id "), line(&created, "secret "));
    assert!(secret.starts_with("whsec_"), "{secret}");
    let list = consumer.run("list").await.ok();
    assert!(
        list.contains(&id) && list.contains("export.failed,export.expired") && list.contains(URL),
        "{list}"
    );
    let shown = consumer.run(&format!("get {id}")).await.ok();
    assert!(
        line(&shown, "status ") == "enabled" && !shown.contains("whsec_"),
        "{shown}"
    );

    let empty = consumer.run(&format!("deliveries {id}")).await;
    assert!(
        empty.err.contains("There are no deliveries yet"),
        "{}",
        empty.err
    );
    let test = consumer.json(&format!("test {id}")).await;
    assert_eq!(test["event"], "export.test");
    let deliveries = consumer.run(&format!("deliveries {id}")).await.ok();
    assert!(
        deliveries.contains(test["id"].as_str().expect("an id"))
            && deliveries.contains("export.test"),
        "{deliveries}"
    );

    let rotated = consumer.json(&format!("rotate {id}")).await;
    assert!(
        rotated["secret"].as_str().is_some_and(|new| new != secret),
        "{rotated}"
    );
    let disabled = "UPDATE webhooks SET status = 'disabled', disabled_reason = 'operator'";
    consumer.0.database().execute(disabled).await;
    let list = consumer.run("list").await.ok();
    assert!(list.contains("disabled (operator)"), "{list}");
    let enabled = consumer.json(&format!("enable {id}")).await;
    assert_eq!(enabled["status"], "enabled");

    consumer.run(&format!("delete {id}")).await.ok();
    let missing = consumer.run(&format!("get {id}")).await;
    assert_eq!(missing.code, Some(5), "{}", missing.err);
    let refused = consumer.run("create http://127.0.0.1/hooks").await;
    assert_eq!(refused.code, Some(1));
    assert!(refused.err.contains("(request req_"), "{}", refused.err);
}
