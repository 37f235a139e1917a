//! The object stores: their URL, and the variables of the clouds.

mod cloud;

use exports_tests::Process;
use exports_tests::s3::{Fault, Reply, S3Server};

use crate::table::{Mistake, api, worker};
use crate::world::{World, set_mode};
use cloud::Cloud;

const STORE: &str = "EXPORTS_OBJECT_STORE_URL";
const ENDPOINT: &str = "AWS_ENDPOINT_URL";
const SECRET_KEY: &str = "AWS_SECRET_ACCESS_KEY";

pub(crate) async fn mistakes(world: &World) -> Vec<Mistake> {
    let mut all = urls();
    all.extend(directories(world));
    all.extend(variables(world));
    all.extend(endpoints(world).await);
    all.extend(credentials(world));
    all.extend(google(world));
    all.extend(azure(world));
    all
}

fn urls() -> Vec<Mistake> {
    [
        ("", "must be file:///directory, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix, and is empty"),
        ("https://s3.amazonaws.com/bucket", "must be file:///directory, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix"),
        ("/var/lib/exports", "must be file:///directory, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix"),
        ("file://exports", "must have an absolute path and no host: write three slashes, file:///directory"),
        ("s3://bucket:9000", "must not have a port: set the server's address in AWS_ENDPOINT_URL, GOOGLE_BASE_URL or AZURE_STORAGE_ENDPOINT"),
        ("s3://me:hush-hush-hush@bucket", "must not contain a user name or password: set the credentials in the cloud's own variables"),
    ]
    .map(|(url, problem)| worker().set(STORE, url).fails(format!("{STORE} {problem}")))
    .into()
}

fn directories(world: &World) -> Vec<Mistake> {
    let file = world.file("a-file", "");
    let read_only = world.directory("read-only");
    set_mode(&read_only, 0o555);
    let below = world.missing().join("below");
    let url = |path: &std::path::Path| format!("file://{}", path.display());
    let at = |path: &std::path::Path| path.display().to_string();
    vec![
        worker().set(STORE, url(&file)).fails(format!("{STORE}: {} is not a directory", at(&file))),
        worker()
            .set(STORE, url(&below))
            .fails(format!("{STORE}: {} does not exist, nor does its parent directory: create it, or mount its volume", at(&below))),
        worker()
            .set(STORE, url(&read_only))
            .unprivileged()
            .fails(format!("{STORE}: cannot write to file://{}: permission denied", at(&read_only))),
    ]
}

/// Values of the variables, without a request.
fn variables(world: &World) -> Vec<Mistake> {
    let (missing, key) = (world.missing(), World::certificate("server.key"));
    let (missing, key) = (missing.display(), key.display());
    vec![
        worker()
            .set(ENDPOINT, "127.0.0.1:9000")
            .fails("AWS_ENDPOINT_URL must be a URL such as https://host:port"),
        worker()
            .set("AWS_ALLOW_HTTP", "false")
            .fails("AWS_ENDPOINT_URL is plain HTTP: use https://, or allow it with AWS_ALLOW_HTTP=true"),
        worker()
            .unset(SECRET_KEY)
            .fails("AWS_SECRET_ACCESS_KEY must be set with AWS_ACCESS_KEY_ID"),
        worker()
            .unset("AWS_ACCESS_KEY_ID")
            .fails("AWS_ACCESS_KEY_ID must be set with AWS_SECRET_ACCESS_KEY"),
        worker()
            .unset(SECRET_KEY)
            .set("AWS_SECRET_KEY", "hush-hush-hush")
            .fails("AWS_SECRET_ACCESS_KEY must be set with AWS_ACCESS_KEY_ID"),
        worker()
            .unset("AWS_ACCESS_KEY_ID")
            .unset(SECRET_KEY)
            .fails("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must be set: AWS_EC2_METADATA_DISABLED is on, and there are no other credentials"),
        worker()
            .set(SECRET_KEY, "\"hush-hush-hush\"")
            .fails("AWS_SECRET_ACCESS_KEY must not have quotes around its value: remove them"),
        worker()
            .set(SECRET_KEY, "hush-hush-hush\nmore")
            .fails("AWS_SECRET_ACCESS_KEY must not contain a line break or another control character"),
        worker()
            .set("AWS_REGION", "us east 1")
            .fails("AWS_REGION must be a region such as eu-west-1"),
        worker()
            .set("AWS_TIMEOUT", "5 parsecs")
            .fails("AWS_TIMEOUT must be a time with a unit such as 30s"),
        worker()
            .set("AWS_CA_BUNDLE", missing.to_string())
            .fails(format!("AWS_CA_BUNDLE: cannot read {missing}: it does not exist")),
        worker()
            .set("AWS_CA_BUNDLE", key.to_string())
            .fails(format!("AWS_CA_BUNDLE: {key} contains no certificate in PEM format")),
    ]
}

/// Addresses that do not lead to a store.
async fn endpoints(world: &World) -> Vec<Mistake> {
    let (store, free) = (world.store_host(), world.free_address());
    let postgres = world.database_host();
    let tls = tls_address(world).await;
    vec![
        worker()
            .set(ENDPOINT, format!("http://{free}"))
            .fails(format!("AWS_ENDPOINT_URL: cannot connect to {free}: connection refused: start the server, or correct host and port")),
        worker()
            .set(ENDPOINT, "http://store.invalid:9000")
            .fails("AWS_ENDPOINT_URL: cannot connect to store.invalid:9000: the host name cannot be resolved: correct it, or the DNS"),
        worker()
            .set(ENDPOINT, format!("https://{store}"))
            .fails(format!("AWS_ENDPOINT_URL: cannot connect to {store}: the server does not speak TLS: use http://, or the port that speaks TLS")),
        worker()
            .set(ENDPOINT, format!("http://{tls}"))
            .fails(format!("AWS_ENDPOINT_URL: the connection to {tls} failed: the server does not speak plain HTTP: use https://, or correct the port")),
        worker()
            .set(ENDPOINT, format!("https://{tls}"))
            .fails(format!("AWS_ENDPOINT_URL: cannot connect to {tls}: the certificate of the server is signed by an unknown authority: trust it with AWS_CA_BUNDLE or SSL_CERT_FILE")),
        worker()
            .set(ENDPOINT, format!("http://{postgres}"))
            .fails(format!("AWS_ENDPOINT_URL: the connection to {postgres} failed: the server closed it without a response: correct host and port")),
        worker()
            .unset(ENDPOINT)
            .set("AWS_REGION", "xx-invalid-1")
            .fails("AWS_REGION: cannot connect to s3.xx-invalid-1.amazonaws.com: the host name cannot be resolved: correct it, or the DNS"),
    ]
}

/// What the store refuses.
fn credentials(world: &World) -> Vec<Mistake> {
    let reply = |status, code, elements| {
        Fault::Reply(Reply {
            status,
            code,
            elements,
            headers: &[],
        })
    };
    let region = answering(
        world,
        reply(
            400,
            "AuthorizationHeaderMalformed",
            "<Region>eu-west-1</Region>",
        ),
    );
    let token = answering(world, reply(400, "ExpiredToken", ""));
    let clock = answering(world, reply(403, "RequestTimeTooSkewed", ""));
    let denied = answering(world, reply(403, "AccessDenied", ""));
    let unknown_key = answering(world, reply(403, "InvalidAccessKeyId", ""));
    vec![
        worker()
            .set(SECRET_KEY, "hush-hush-hush")
            .fails("AWS_SECRET_ACCESS_KEY: the store rejects the credentials: correct the secret key, which must belong to the access key id (SignatureDoesNotMatch)"),
        api()
            .set("AWS_ACCESS_KEY_ID", "AKNOBODY")
            .set(ENDPOINT, unknown_key)
            .fails("AWS_ACCESS_KEY_ID: the store does not know the access key id: correct it (InvalidAccessKeyId: a test's doing)"),
        worker()
            .set(STORE, "s3://another-bucket")
            .fails(format!("{STORE}: the bucket does not exist: create it or correct the name (NoSuchBucket)")),
        worker()
            .set(ENDPOINT, region)
            .fails("AWS_REGION: the bucket is in region eu-west-1, but AWS_REGION is us-east-1: set AWS_REGION=eu-west-1 (AuthorizationHeaderMalformed: a test's doing)"),
        worker()
            .set(ENDPOINT, token)
            .set("AWS_SESSION_TOKEN", "hush-hush-hush")
            .fails("AWS_SESSION_TOKEN: the session token has expired: set a new one with its access key id and secret key, or use credentials that renew themselves (a role) (ExpiredToken: a test's doing)"),
        worker()
            .set(ENDPOINT, clock)
            .fails(format!("{STORE}: the clocks of this machine and of the store differ: synchronize the clock (NTP) (RequestTimeTooSkewed: a test's doing)")),
        worker()
            .set(ENDPOINT, denied)
            .fails("AWS_ACCESS_KEY_ID: the store denies access: allow it in the bucket policy or the role, or correct the credentials (a wrong secret key can also cause this) (AccessDenied: a test's doing)"),
    ]
}

fn google(world: &World) -> Vec<Mistake> {
    let missing = world.missing();
    let missing = missing.display();
    let text = world.file("not-json", "hush-hush-hush");
    let text = text.display();
    let cloud = Cloud::start();
    let free = world.free_address();
    let bearer = |status, body: &str| {
        worker()
            .set(STORE, "gs://bucket")
            .set("GOOGLE_BASE_URL", cloud.answering(status, body))
            .set("GOOGLE_ALLOW_HTTP", "true")
            .set("GOOGLE_BEARER_TOKEN", "hush-hush-hush")
    };
    vec![
        worker()
            .set(STORE, "gs://bucket")
            .set("GOOGLE_APPLICATION_CREDENTIALS", missing.to_string())
            .fails(format!("GOOGLE_APPLICATION_CREDENTIALS: cannot read {missing}: it does not exist")),
        worker()
            .set(STORE, "gs://bucket")
            .set("GOOGLE_SERVICE_ACCOUNT", text.to_string())
            .fails(format!("GOOGLE_SERVICE_ACCOUNT: {text} contains no credentials in JSON")),
        bearer(404, "<Error><Code>NoSuchBucket</Code></Error>")
            .fails(format!("{STORE}: the bucket does not exist: create it or correct the name (NoSuchBucket)")),
        bearer(401, "<Error><Code>AuthenticationRequired</Code></Error>")
            .fails("GOOGLE_BEARER_TOKEN: the store rejects the credentials: correct them (AuthenticationRequired)"),
        worker()
            .set(STORE, "gs://bucket")
            .set("GOOGLE_BASE_URL", format!("http://{free}"))
            .set("GOOGLE_ALLOW_HTTP", "true")
            .set("GOOGLE_BEARER_TOKEN", "hush-hush-hush")
            .fails(format!("GOOGLE_BASE_URL: cannot connect to {free}: connection refused: start the server, or correct host and port")),
    ]
}

fn azure(world: &World) -> Vec<Mistake> {
    let cloud = Cloud::start();
    let free = world.free_address();
    let account = || {
        worker()
            .set(STORE, "az://container")
            .set("AZURE_STORAGE_ACCOUNT_NAME", "account")
            .set("AZURE_STORAGE_ACCOUNT_KEY", "aHVzaC1odXNoLWh1c2g=")
            .set("AZURE_ALLOW_HTTP", "true")
    };
    vec![
        account()
            .unset("AZURE_STORAGE_ACCOUNT_NAME")
            .fails("AZURE_STORAGE_ACCOUNT_NAME must be set"),
        account()
            .set("AZURE_STORAGE_ACCOUNT_KEY", "hush-hush-hush!")
            .fails("AZURE_STORAGE_ACCOUNT_KEY must be a key in Base64"),
        account()
            .set("AZURE_STORAGE_ENDPOINT", cloud.answering(403, "<Error><Code>AuthenticationFailed</Code></Error>"))
            .fails("AZURE_STORAGE_ACCOUNT_KEY: the store rejects the credentials: correct them (AuthenticationFailed)"),
        account()
            .set("AZURE_STORAGE_ENDPOINT", cloud.answering(404, "<Error><Code>ContainerNotFound</Code></Error>"))
            .fails(format!("{STORE}: the bucket does not exist: create it or correct the name (ContainerNotFound)")),
        account()
            .set("AZURE_STORAGE_ENDPOINT", format!("http://{free}"))
            .fails(format!("AZURE_STORAGE_ENDPOINT: cannot connect to {free}: connection refused: start the server, or correct host and port")),
    ]
}

/// The address of a store that gives this answer to every request.
fn answering(world: &World, fault: Fault) -> String {
    let server = S3Server::in_process();
    let endpoint = server.endpoint();
    world.keep(server.inject(|_| true, fault));
    world.keep(server);
    endpoint
}

/// The address of a server that speaks TLS: an API that waits for its database.
async fn tls_address(world: &World) -> String {
    let mut environment = world.environment();
    let certificate = |name| World::certificate(name).display().to_string();
    environment.extend([
        ("EXPORTS_TLS_CERT".to_owned(), certificate("server.pem")),
        ("EXPORTS_TLS_KEY".to_owned(), certificate("server.key")),
        ("RUST_LOG".to_owned(), "info".to_owned()),
        ("EXPORTS_LOG_FORMAT".to_owned(), "json".to_owned()),
    ]);
    let mut process = Process::start("exports-api", &[], environment);
    let address = process.wait_for_address().await;
    world.keep(process);
    address.trim_start_matches("https://").to_owned()
}
