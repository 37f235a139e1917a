//! Secrets are only where they must be.

use exports_deployed::{Deployment, Plan, image_details, outbound, story};
use serde_json::json;

#[test]
fn no_secret_is_in_logs_responses_process_lists_or_images() {
    let plan = Plan::default().worker_env("RUST_LOG", "debug");
    story(plan, async |it| {
        it.insert_messages(10).await;
        let id = it.create_export(outbound()).await;
        it.file_is_right(&id).await;
        let mut told = errors(it).await;

        it.garage().refuse_the_key().await;
        let refused = it.create_export(outbound()).await;
        let reason =
            format!("SELECT coalesce(attempt_error, '') <> '' FROM exports WHERE id = '{refused}'");
        it.postgres.wait_for(&reason, true).await;
        told.push((
            "the export".to_owned(),
            it.export(&refused).await.to_string(),
        ));
        it.garage().accept_the_key().await;
        it.file_is_right(&refused).await;

        told.extend(it.logs().await);
        for program in it.workers.iter().chain([&it.api]) {
            told.push(("a process list".to_owned(), program.processes().await));
        }
        told.push((
            "the images".to_owned(),
            json!(image_details().await).to_string(),
        ));

        for secret in it.secrets() {
            // Not even a part of a secret.
            let part = &secret[secret.len() - 12..];
            for (where_it_is, text) in &told {
                assert!(text.len() > 10, "{where_it_is}: the text is empty");
                let line = text.lines().find(|line| line.contains(part));
                assert!(line.is_none(), "a secret is in {where_it_is}: {line:?}");
            }
        }
    });
}

/// Responses to errors of a consumer.
async fn errors(it: &Deployment) -> Vec<(String, String)> {
    let client = it.consumer();
    let key = client.key().expect("the consumer has a key");
    let (kept, last) = key.split_at(key.len() - 1);
    let wrong = format!("{kept}{}", if last == "0" { "1" } else { "0" });
    let replies = [
        client.with_key(&wrong).get("/v1/exports").await.expect(401),
        client
            .get(&format!("/v1/exports?key={key}"))
            .await
            .expect(400),
        client
            .post("/v1/exports", &json!({"start_time": key}))
            .await
            .expect(400),
        client.get("/v1/exports/nothing").await,
        client.without_key().get("/readyz").await.expect(200),
    ];
    let named = |reply: &exports_tests::Reply| ("an answer".to_owned(), reply.text().to_owned());
    replies.iter().map(named).collect()
}
