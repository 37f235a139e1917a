//! The databases.

use exports_tests::TestDatabase;

use crate::table::{Mistake, api, exportctl, worker};
use crate::world::World;

pub(crate) async fn mistakes(world: &World) -> Vec<Mistake> {
    let mut all = addresses();
    all.extend(connections(world).await);
    all.extend(schemas(world).await);
    all
}

/// Addresses that cannot be parsed.
fn addresses() -> Vec<Mistake> {
    [
        (
            "mysql://me:hush-hush-hush@db/exports",
            "must be postgres://user:password@host:port/database",
        ),
        (
            "postgres://me:hush-hush-hush/2@db/exports",
            ": the password contains '/': percent-encode it as %2F",
        ),
        (
            "postgres://me:hush-hush-hush#/2@db/exports",
            ": the password contains '/' and '#': percent-encode them as %2F and %23",
        ),
        (
            "postgres://me:hush-hush-hush",
            ": the port must be 1 to 65535: percent-encode ':', '/', '@' and '#' in user and password",
        ),
        (
            "postgres://me:hush-hush-hush%@db/exports",
            ": the password contains '%' without two hexadecimal digits after it: percent-encode it as %25",
        ),
        (
            "postgres://me:hush-hush-hush@db:5432x/exports",
            ": the port must be 1 to 65535: percent-encode ':', '/', '@' and '#' in user and password",
        ),
        (
            "postgres://me@db/exports?sslmod=require",
            ": \"sslmod\" is not a parameter of a PostgreSQL connection: did you mean sslmode?",
        ),
        (
            "postgres://me@db/exports?sslmode=on",
            ": sslmode must be disable, allow, prefer, require, verify-ca or verify-full, not \"on\"",
        ),
        (
            "postgres://me@db/exports?connect_timeout=5s",
            ": connect_timeout must be a number, not \"5s\"",
        ),
    ]
    .map(|(url, problem)| {
        let space = if problem.starts_with(':') { "" } else { " " };
        worker()
            .set("DATABASE_URL", url)
            .fails(format!("DATABASE_URL{space}{problem}"))
    })
    .into()
}

/// Servers that cannot be reached, or that refuse the login.
async fn connections(world: &World) -> Vec<Mistake> {
    let (host, free) = (world.database_host(), world.free_address());
    let database = world.database.name();
    let (role, url) = world.database.role("locked").await;
    world
        .database
        .execute(format!(r#"ALTER ROLE "{role}" NOLOGIN"#))
        .await;
    let wrong_password =
        world.database_url(|url| url.set_password(Some("hush-hush-hush")).expect("a host"));
    let user = world
        .database_url(|_| ())
        .parse::<url::Url>()
        .expect("a URL")
        .username()
        .to_owned();
    let with = |query: &str| world.database_url(|url| url.set_query(Some(query)));
    let missing = world.missing();
    let missing = missing.display();
    let key = World::certificate("server.key");
    let key = key.display();
    let http = world.store_host();
    vec![
        worker()
            .set("DATABASE_URL", format!("postgres://me:hush-hush-hush@{free}/exports"))
            .fails(format!("DATABASE_URL: cannot connect to {free}: connection refused: start the server, or correct host and port")),
        exportctl("admin jobs")
            .set("DATABASE_URL", format!("postgres://me:hush-hush-hush@{free}/exports"))
            .fails(format!("DATABASE_URL: cannot connect to {free}: connection refused: start the server, or correct host and port")),
        api()
            .set("EXPORTS_SOURCE_DATABASE_URL", format!("postgres://me:hush-hush-hush@{free}/platform"))
            .fails(format!("EXPORTS_SOURCE_DATABASE_URL: cannot connect to {free}: connection refused: start the server, or correct host and port")),
        worker()
            .set("DATABASE_URL", "postgres://me:hush-hush-hush@db.invalid/exports")
            .fails("DATABASE_URL: cannot connect to db.invalid:5432: the host name cannot be resolved: correct it, or the DNS"),
        worker()
            .set("DATABASE_URL", &wrong_password)
            .fails(format!("DATABASE_URL: cannot connect to {host}: password authentication failed for user \"{user}\": correct user and password")),
        exportctl("admin jobs")
            .set("DATABASE_URL", &wrong_password)
            .fails(format!("DATABASE_URL: cannot connect to {host}: password authentication failed for user \"{user}\": correct user and password")),
        worker()
            .set("DATABASE_URL", &url)
            .fails(format!("DATABASE_URL: cannot connect to {host}: role \"{role}\" is not permitted to log in: run ALTER ROLE … LOGIN, or use another role")),
        worker()
            .set("DATABASE_URL", world.database.url_of("not_there"))
            .fails(format!("DATABASE_URL: cannot connect to {host}: database \"not_there\" does not exist: create it, or correct its name")),
        worker()
            .set("EXPORTS_SOURCE_DATABASE_URL", world.database.url_of("not_there"))
            .fails(format!("EXPORTS_SOURCE_DATABASE_URL: cannot connect to {host}: database \"not_there\" does not exist: create it, or correct its name")),
        worker()
            .set("DATABASE_URL", with("sslmode=require"))
            .fails(format!("DATABASE_URL: cannot connect to {host}: the server does not support TLS: enable it there, or use sslmode=disable in a trusted network")),
        worker()
            .set("DATABASE_URL", with(&format!("sslmode=verify-full&sslrootcert={missing}")))
            .fails(format!("DATABASE_URL: sslrootcert={missing}: it does not exist")),
        worker()
            .set("DATABASE_URL", with(&format!("sslmode=verify-full&sslrootcert={key}")))
            .fails(format!("DATABASE_URL: sslrootcert={key}: it contains no certificate in PEM format")),
        worker()
            .set("DATABASE_URL", format!("postgres://me@{http}/exports"))
            .fails(format!("DATABASE_URL: cannot connect to {http}: the server does not speak the PostgreSQL protocol: correct host and port")),
        exportctl("admin jobs")
            .set("DATABASE_URL", format!("postgres:///{database}?host=/nowhere"))
            .fails("DATABASE_URL: cannot connect to /nowhere:5432: the socket does not exist: start the server, or correct host and port"),
    ]
}

/// Databases without the schema of this version.
async fn schemas(world: &World) -> Vec<Mistake> {
    let empty = TestDatabase::empty().await;
    let behind = TestDatabase::create().await;
    behind.execute("DELETE FROM _sqlx_migrations WHERE version = (SELECT max(version) FROM _sqlx_migrations)").await;
    let foreign = TestDatabase::create().await;
    foreign
        .execute("UPDATE _sqlx_migrations SET checksum = '\\x00' WHERE version = 1")
        .await;
    let known = foreign.value("SELECT count(*) FROM _sqlx_migrations").await;
    let foreign_line = "DATABASE_URL: migration 1 in the database has another checksum or did not finish: is this the database of another program?";
    let all = vec![
        worker().set("DATABASE_URL", empty.url()).fails(format!(
            "DATABASE_URL: the database has none of {known} migrations: run 'exportctl admin migrate'"
        )),
        exportctl("admin key list")
            .set("DATABASE_URL", empty.url())
            .fails(format!(
                "DATABASE_URL: the database has none of {known} migrations: run 'exportctl admin migrate'"
            )),
        api().set("DATABASE_URL", behind.url()).fails(format!(
            "DATABASE_URL: the database lacks 1 of {known} migrations: run 'exportctl admin migrate'"
        )),
        worker()
            .set("DATABASE_URL", foreign.url())
            .fails(foreign_line),
        exportctl("admin jobs")
            .set("DATABASE_URL", foreign.url())
            .fails(foreign_line),
    ];
    world.keep([empty, behind, foreign]);
    all
}
