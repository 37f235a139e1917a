//! The deployment of `deploy/compose.yaml`: `make up`, its printed commands, upgrades, rotated secrets, monitoring.

use std::net::{Ipv4Addr, TcpListener};
use std::process::Command;

use exports_deployed::{Compose, both};
use exports_tests::{Client, TIMEOUT, eventually};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

/// The messages of the sample that the printed commands export, and the header.
const LINES: std::ops::Range<usize> = 80_000..100_000;
const SHELLS: [&str; 2] = ["/bin/sh", "bash"];

/// The commands that `make up` prints: the lines that are indented.
fn printed_commands(output: &str) -> String {
    let lines = output.lines().filter_map(|line| line.strip_prefix("  "));
    lines.map(|line| line.to_owned() + "\n").collect()
}

/// Starts it on free ports, and returns the deployment and what `make up` printed.
fn up(settings: &[(&str, &str)]) -> Option<(Compose, String)> {
    let compose = Compose::prepare()?;
    let ports = ["API_PORT", "STORE_PORT", "PROMETHEUS_PORT", "GRAFANA_PORT"];
    let ports = ports.map(|name| (name, Compose::free_port().to_string()));
    let ports = ports.iter().map(|(name, port)| (*name, port.as_str()));
    let settings: Vec<_> = settings.iter().copied().chain(ports).collect();
    let printed = compose.run("up", &[], &settings);
    Some((compose, printed))
}

fn client(compose: &Compose) -> Client {
    let url = format!("http://127.0.0.1:{}", compose.setting("API_PORT"));
    Client::new(&url).with_key(&compose.setting("API_KEY"))
}

async fn create(client: &Client) -> String {
    let range = json!({"start_time": "2025-12-01T00:00:00Z", "end_time": "2025-12-31T00:00:00Z"});
    let export = client.post("/v1/exports", &range).await.expect(201).data();
    export["id"].as_str().expect("an id").to_owned()
}

async fn completes(client: &Client, id: &str) {
    let path = format!("/v1/exports/{id}");
    let export = eventually("the export ends", TIMEOUT, async || {
        let export = client.get(&path).await.expect(200).data();
        let ended = !matches!(export["status"].as_str(), Some("pending" | "processing"));
        ended.then_some(export)
    });
    let export = export.await;
    assert_eq!(export["status"], "completed", "{export:#}");
    let link = link(client, id).await;
    let file = client.without_key().get(&link).await.expect(200);
    assert_eq!(export["file_size_bytes"], file.body.len());
}

async fn link(client: &Client, id: &str) -> String {
    let reply = client
        .get(&format!("/v1/exports/{id}/download"))
        .await
        .expect(302);
    reply.header("location").expect("a `Location`").to_owned()
}

/// Without `make`, without `.env`: `docker compose up -d` in `deploy/`. The service `welcome` prints where to look.
#[tokio::test(flavor = "multi_thread")]
async fn compose_alone_starts_the_system_and_says_where_to_look() {
    let Some(compose) = Compose::prepare() else {
        return;
    };
    let ports = ["API_PORT", "STORE_PORT"].map(|name| (name, Compose::free_port().to_string()));
    let ports = ports.each_ref().map(|(name, port)| (*name, port.as_str()));
    let _ = compose.run_alone(&["up", "-d"], &ports);
    let printed = eventually("the welcome", TIMEOUT, async || {
        let logs = compose.run_alone(&["logs", "--no-color", "welcome"], &ports);
        logs.contains("/v1/exports").then_some(logs)
    });
    let printed = printed.await;
    let url = format!("http://127.0.0.1:{}", ports[0].1);
    assert!(printed.contains(&format!("{url}/console")), "{printed}");
    let key = printed.split("exk_").nth(1).expect("a key");
    let key = key.chars().take_while(char::is_ascii_hexdigit);
    let it = Client::new(&url).with_key(&format!("exk_{}", key.collect::<String>()));
    completes(&it, &create(&it).await).await;
    assert!(!compose.path("deploy/.env").exists());
}

#[test]
fn the_printed_commands_can_be_pasted_at_once_whatever_the_ports_and_workers() {
    let Some((compose, first)) = up(&[]) else {
        return;
    };
    for shell in SHELLS {
        let file = compose.paste(shell, &printed_commands(&first));
        assert!(
            LINES.contains(&file.lines().count()),
            "{shell}: {} lines",
            file.lines().count()
        );
    }

    compose.run("compose", &["up", "-d", "--scale", "worker=3"], &[]);
    assert_eq!(
        compose.run("up", &[], &[]),
        first,
        "a second run prints the same"
    );
    let workers = compose.run("compose", &["ps", "-q", "worker"], &[]);
    assert_eq!(workers.lines().count(), 3, "a second run keeps the workers");

    let (old, new) = (
        compose.setting("API_PORT"),
        Compose::free_port().to_string(),
    );
    let moved = compose.run("up", &[], &[("API_PORT", &new)]);
    assert_eq!(moved, first.replace(&old, &new));
    assert_eq!(
        compose.run("up", &[], &[]),
        moved,
        "later runs use the port too"
    );
    for shell in SHELLS {
        let file = compose.paste(shell, &printed_commands(&moved));
        assert!(
            LINES.contains(&file.lines().count()),
            "{shell}: {} lines",
            file.lines().count()
        );
    }

    let other =
        TcpListener::bind((Ipv4Addr::LOCALHOST, Compose::free_port())).expect("a free port");
    let taken = other.local_addr().expect("an address").port();
    let refused = compose.try_run("up", &[], &[("API_PORT", &taken.to_string())]);
    assert!(!refused.status.success());
    let said = both(&refused);
    let expected = format!(
        "Port {taken} on 127.0.0.1 is in use by another program. Choose another port, for example: API_PORT="
    );
    assert!(
        said.contains(&expected) && said.lines().count() == 1,
        "{said}"
    );
    // The deployment still runs on its previous port.
    let reachable = printed_commands(&moved);
    assert!(LINES.contains(&compose.paste("/bin/sh", &reachable).lines().count()));
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_rotated_and_images_replaced_while_exports_run() {
    let Some((compose, _)) = up(&[("WORKERS", "1")]) else {
        return;
    };
    let it = client(&compose);
    let before = create(&it).await;
    completes(&it, &before).await;
    let old_link = link(&it, &before).await;

    for name in ["worker", "api", "owner", "superuser", "store"] {
        let during = create(&it).await;
        compose.run("rotate", &[name], &[]);
        ready(&it).await;
        completes(&it, &during).await;
        completes(&it, &create(&it).await).await;
    }
    compose.run(
        "compose",
        &[
            "run",
            "--rm",
            "-T",
            "exportctl",
            "admin",
            "key",
            "list",
            "--project",
            "proj_demo",
        ],
        &[],
    );

    assert_eq!(it.without_key().get(&old_link).await.status, 200);
    let deleted = compose.run("rotate", &["store", "--delete-old"], &[]);
    assert_eq!(deleted.lines().count(), 1, "{deleted}");
    assert_eq!(it.without_key().get(&old_link).await.status, 403);
    // A store that starts with a deleted key would not come up again.
    compose.run("compose", &["restart", "garage"], &[]);
    completes(&it, &before).await;

    images_are_replaced(&compose, &it).await;
}

/// The order of an upgrade, and of its rollback. The other images are the same programs under another tag.
async fn images_are_replaced(compose: &Compose, it: &Client) {
    const PROGRAMS: [&str; 3] = ["exports-api", "exports-worker", "exportctl"];
    const NEXT: &str = "e2e-next";
    let names = |tag: &str| PROGRAMS.map(|program| format!("{program}:{tag}"));
    for (image, next) in names("dev").iter().zip(&names(NEXT)) {
        docker(&["tag", image, next]);
    }
    let replace = |services: [&str; 2], tag| {
        for service in services {
            let arguments = ["up", "-d", "--no-deps", service];
            compose.run("compose", &arguments, &[("IMAGE_TAG", tag)]);
        }
    };

    let during = create(it).await;
    let migrate = ["run", "--rm", "-T", "migrate"];
    compose.run("compose", &migrate, &[("IMAGE_TAG", NEXT)]);
    replace(["worker", "api"], NEXT);
    ready(it).await;
    completes(it, &during).await;

    let during = create(it).await;
    replace(["api", "worker"], "dev");
    ready(it).await;
    completes(it, &during).await;
    completes(it, &create(it).await).await;
    // The finished container of the migration still has the image.
    compose.run("compose", &["rm", "-f", "migrate"], &[]);
    for next in names(NEXT) {
        docker(&["image", "rm", &next]);
    }
}

fn docker(arguments: &[&str]) {
    let output = Command::new("docker").args(arguments).output();
    let output = output.expect("docker");
    assert!(output.status.success(), "{arguments:?}: {}", both(&output));
}

async fn ready(client: &Client) {
    eventually("the API is ready", TIMEOUT, async || {
        let reply = client.try_get("/readyz").await.ok()?;
        (reply.status == 200).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_scrapes_every_program_and_evaluates_alerts_and_dashboard() {
    let Some((compose, _)) = up(&[]) else { return };
    // Grafana has no replacement on machines that cannot pull, so the profile is not started as a whole.
    let start = ["--profile", "monitoring", "up", "-d", "prometheus"];
    compose.run("compose", &start, &[]);
    let url = format!("http://127.0.0.1:{}", compose.setting("PROMETHEUS_PORT"));
    let prometheus = Client::new(&url);
    for (job, processes) in [("exports-api", "1"), ("exports-worker", "2")] {
        let up = format!("sum(up{{job=\"{job}\"}})");
        eventually("every program is scraped", TIMEOUT, async || {
            let found = query(&prometheus, &up).await?;
            (found["data"]["result"][0]["value"][1] == processes).then_some(())
        })
        .await;
    }

    let evaluated = eventually("the rules are evaluated", TIMEOUT, async || {
        let rules = prometheus.try_get("/api/v1/rules").await.ok()?;
        let rules: Value = serde_json::from_str(rules.text()).ok()?;
        let rules = rules["data"]["groups"][0]["rules"].as_array()?.clone();
        let healths = || rules.iter().map(|rule| &rule["health"]);
        healths().all(|health| health != "unknown").then_some(rules)
    });
    let rules = evaluated.await;
    assert!(rules.len() > 15, "{} rules", rules.len());
    for rule in rules {
        assert_eq!(rule["health"], "ok", "{rule:#}");
    }

    let dashboard = std::fs::read_to_string(compose.path("deploy/grafana/exports.json"));
    let dashboard: Value = serde_json::from_str(&dashboard.expect("a file")).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels
        .iter()
        .filter_map(|panel| panel["targets"].as_array());
    for target in targets.flatten() {
        let expression = target["expr"].as_str().expect("an expression");
        let expression = expression
            .replace("$instance", ".*")
            .replace("$__rate_interval", "1m");
        let found = query(&prometheus, &expression).await.expect("a response");
        assert_eq!(found["status"], "success", "{expression}: {found:#}");
    }
}

async fn query(prometheus: &Client, expression: &str) -> Option<Value> {
    let expression = utf8_percent_encode(expression, NON_ALPHANUMERIC);
    let path = format!("/api/v1/query?query={expression}");
    let reply = prometheus.try_get(&path).await.ok()?;
    serde_json::from_str(reply.text()).ok()
}
