//! SIGTERM: requests in progress are completed, new ones are refused, and the exit code is 0.

use exports_tests::{Fixture, TIMEOUT, eventually};
use reqwest::Method;
use tokio::net::TcpStream;

use crate::shared::{Consumer, id_of, request, story};
use crate::wire::Wire;

#[test]
fn requests_in_flight_complete_before_the_process_exits() {
    story(async |_| {
        let mut fixture = Fixture::builder().workers(0).start().await;
        let api = Consumer::owner_of(&fixture).api;
        let body = request().to_string();
        let head = format!(
            "POST /v1/exports HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Length: {}\r\n\r\n",
            api.key(),
            body.len()
        );
        // Three connections: one waits for the database, one sends its body, one is idle.
        let mut blocker = fixture.database().connect().await;
        sqlx::raw_sql("BEGIN; LOCK TABLE exports IN ACCESS EXCLUSIVE MODE")
            .execute(&mut blocker)
            .await
            .unwrap();
        let mut waiting = Wire::to(&api).await;
        waiting.send(format!("{head}{body}")).await;
        let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted";
        eventually("the insert waits", TIMEOUT, async || {
            (fixture.database().value(waits).await == 1).then_some(())
        })
        .await;
        let mut idle = Wire::to(&api).await;
        idle.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert_eq!(idle.reply().await.unwrap().status, 200);
        let mut sending = Wire::to(&api).await;
        let expects = head.replace("Host: x", "Host: x\r\nExpect: 100-continue");
        sending.send(&expects).await;
        // The server is reading the request: it has sent 100 Continue.
        assert_eq!(sending.reply().await.unwrap().status, 100);
        sending.send(&body[..10]).await;

        fixture.api_process().terminate();
        fixture.api_process().wait_for_line("stopping").await;
        idle.closed().await;
        let address = api.base().trim_start_matches("http://").to_owned();
        eventually("the port is closed", TIMEOUT, async || {
            TcpStream::connect(&address).await.is_err().then_some(())
        })
        .await;
        assert!(
            fixture.api_process().ended().is_none(),
            "two requests are still open"
        );

        sending.send(&body[10..]).await;
        sqlx::raw_sql("COMMIT").execute(&mut blocker).await.unwrap();
        for wire in [&mut waiting, &mut sending] {
            let reply = wire.reply().await.expect("a response").expect(201);
            api.check_reply(&Method::POST, "/v1/exports", &reply).await;
            let id = id_of(&reply.data()).parse().unwrap();
            assert!(fixture.database().export_row(id).await.is_some());
        }
        let ended = fixture.api_process().wait().await;
        assert_eq!(ended.code(), Some(0));
        let log = fixture.api_log();
        assert!(!log.contains("WARN") && !log.contains("ERROR"), "{log}");
    });
}

#[test]
fn a_create_completes_during_shutdown_after_its_client_disconnects() {
    story(async |_| {
        let mut fixture = Fixture::builder().workers(0).start().await;
        let api = Consumer::owner_of(&fixture).api;
        let body = request().to_string();
        let mut blocker = fixture.database().connect().await;
        sqlx::raw_sql("BEGIN; LOCK TABLE exports IN ACCESS EXCLUSIVE MODE")
            .execute(&mut blocker)
            .await
            .unwrap();
        let mut wire = Wire::to(&api).await;
        wire.send(format!(
            "POST /v1/exports HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Length: {}\r\n\r\n{body}",
            api.key(),
            body.len()
        ))
        .await;
        let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted";
        eventually("the insert waits", TIMEOUT, async || {
            (fixture.database().value(waits).await == 1).then_some(())
        })
        .await;
        drop(wire);
        fixture.api_process().terminate();
        fixture.api_process().wait_for_line("stopping").await;
        sqlx::raw_sql("COMMIT").execute(&mut blocker).await.unwrap();
        assert_eq!(fixture.api_process().wait().await.code(), Some(0));
        let count = fixture
            .database()
            .value("SELECT count(*) FROM exports")
            .await;
        assert_eq!(count, 1);
    });
}
