//! Variables and options: names and values.

use crate::table::{Mistake, api, exportctl, worker};
use crate::world::World;

pub(crate) fn mistakes(world: &World) -> Vec<Mistake> {
    let mut all = names();
    all.extend(values());
    all.extend(contradictions(world));
    all
}

fn names() -> Vec<Mistake> {
    vec![
        worker()
            .with("--leese 30s")
            .usage("--leese is not an option: did you mean --lease?"),
        api()
            .with("--wibble")
            .usage("--wibble is not an option: --help lists the options"),
        worker()
            .with("now")
            .usage("\"now\" is not expected here: --help shows the usage"),
        worker()
            .with("--readers")
            .usage("--readers must have a value"),
        worker()
            .set("EXPORTS_READRES", "4")
            .usage("EXPORTS_READRES is not a setting: did you mean EXPORTS_READERS?"),
        // A variable of the other program, in the common environment file.
        worker()
            .set("EXPORTS_LISTN", "0.0.0.0:8080")
            .usage("EXPORTS_LISTN is not a setting: did you mean EXPORTS_LISTEN?"),
        exportctl("admin jobs")
            .set("EXPORT_READERS", "4")
            .usage("EXPORT_READERS is not a setting: did you mean EXPORTS_READERS?"),
        api()
            .set("exports_listen", "0.0.0.0:8080")
            .usage("exports_listen is not a setting: did you mean EXPORTS_LISTEN?"),
        api()
            .set("EXPORTS_WIBBLE", "1")
            .usage("EXPORTS_WIBBLE is not a setting: unset it (--help lists the settings)"),
        api()
            .set("EXPORTS_LEASE_FILE", "/run/secrets/lease")
            .usage("EXPORTS_LEASE_FILE is not a setting: only secrets are read from files, so set EXPORTS_LEASE"),
        worker()
            .unset("DATABASE_URL")
            .unset("EXPORTS_OBJECT_STORE_URL")
            .usage("DATABASE_URL and EXPORTS_OBJECT_STORE_URL must be set"),
        exportctl("admin jobs")
            .unset("DATABASE_URL")
            .set("DATABSE_URL", "postgres://db/exports")
            .usage("DATABASE_URL must be set: is it misspelt as DATABSE_URL?"),
    ]
}

fn values() -> Vec<Mistake> {
    let mut all = vec![
        worker()
            .with("--readers 17")
            .usage("--readers must be 1 to 16, not \"17\""),
        api().with("--listen=8080").usage(
            "--listen must be an IP address and a port such as 127.0.0.1:8080, not \"8080\"",
        ),
    ];
    for (mistake, name, value, problem) in OF_ONE_VARIABLE {
        let mistake = match mistake {
            'a' => api(),
            _ => worker(),
        };
        let space = if problem.starts_with(':') { "" } else { " " };
        let line = format!("{name}{space}{problem}");
        all.push(mistake.set(name, *value).usage(line));
    }
    all
}

/// The program (a: `exports-api`, w: `exports-worker`), a variable, its value, and the problem.
const OF_ONE_VARIABLE: &[(char, &str, &str, &str)] = &[
    (
        'w',
        "DATABASE_URL",
        "",
        "must be postgres://user:password@host:port/database, and is empty",
    ),
    (
        'w',
        "DATABASE_URL",
        "\"postgres://me:hush-hush-hush@db/exports\"",
        "must not have quotes around its value: remove them",
    ),
    ('w', "EXPORTS_READERS", "0", "must be 1 to 16, not \"0\""),
    (
        'w',
        "EXPORTS_READERS",
        "four",
        "must be 1 to 16, not \"four\"",
    ),
    ('w', "EXPORTS_READERS", "", "must be 1 to 16, and is empty"),
    (
        'w',
        "EXPORTS_UPLOAD_MEMORY",
        "64MB",
        "must be 16MiB to 8GiB, such as 64MiB, not \"64MB\"",
    ),
    (
        'w',
        "EXPORTS_UPLOAD_MEMORY",
        "8MiB",
        "must be 16MiB to 8GiB, such as 64MiB, not \"8MiB\"",
    ),
    (
        'w',
        "EXPORTS_CONCURRENCY",
        "\"2\"",
        "must not have quotes around its value: remove them",
    ),
    (
        'w',
        "EXPORTS_MAX_ATTEMPTS",
        "1,000",
        "must be 1 to 1000, not \"1,000\"",
    ),
    (
        'w',
        "EXPORTS_LEASE",
        "30",
        "must be a time with a unit such as 90s, 15m or 7d, not \"30\"",
    ),
    (
        'w',
        "EXPORTS_FILE_TTL",
        "7 dayz",
        "must be a time with a unit such as 90s, 15m or 7d, not \"7 dayz\"",
    ),
    (
        'w',
        "EXPORTS_SHUTDOWN_GRACE",
        "500ms",
        "must be one second or more, not \"500ms\"",
    ),
    (
        'w',
        "EXPORTS_RECORD_TTL",
        "200y",
        "must be a hundred years or less, not \"200y\"",
    ),
    (
        'w',
        "EXPORTS_LOG_FORMAT",
        "xml",
        "must be text or json, not \"xml\"",
    ),
    (
        'w',
        "EXPORTS_SOURCE_ROW_SECURITY",
        "off",
        "must be refuse or apply, not \"off\"",
    ),
    (
        'a',
        "EXPORTS_LISTEN",
        "8080",
        "must be an IP address and a port such as 127.0.0.1:8080, not \"8080\"",
    ),
    (
        'a',
        "EXPORTS_LISTEN",
        "localhost:8080",
        "must be an IP address and a port such as 127.0.0.1:8080, not \"localhost:8080\"",
    ),
    (
        'a',
        "EXPORTS_METRICS_LISTEN",
        ":9090",
        "must be an IP address and a port such as 127.0.0.1:8080, not \":9090\"",
    ),
    (
        'a',
        "EXPORTS_MAX_CONNECTIONS",
        "0",
        "must be 1 to 1000000, not \"0\"",
    ),
    (
        'a',
        "EXPORTS_MAX_STORED_BYTES_PER_PROJECT",
        "10GB",
        "must be a whole number from 1, or off, not \"10GB\"",
    ),
    (
        'a',
        "EXPORTS_REQUESTS_PER_KEY",
        "200",
        "must be a number and a time such as 200/s or 60/1m (1 to 1000000 in 1 second to 1 day), or off, not \"200\"",
    ),
    (
        'a',
        "EXPORTS_TRUSTED_PROXIES",
        "10.0.0.0/33",
        "must be networks and addresses such as \"10.0.0.0/8, 192.0.2.7\", not \"10.0.0.0/33\"",
    ),
    (
        'a',
        "EXPORTS_PUBLIC_URL",
        "exports.example.com",
        "must be http:// or https://, a host, and at most a port and a path",
    ),
    (
        'a',
        "EXPORTS_PUBLIC_URL",
        "https://me:hush-hush-hush@example.com",
        "must be http:// or https://, a host, and at most a port and a path",
    ),
    (
        'a',
        "EXPORTS_PUBLIC_URL",
        "https://a.example.com\nhttps://b.example.com",
        "must not contain a line break or another control character",
    ),
    (
        'a',
        "EXPORTS_SIGNING_KEY",
        "hush-hush-hush",
        "must be 32 bytes or more: it has 14",
    ),
    (
        'a',
        "EXPORTS_SIGNING_KEY",
        "",
        "must be 32 bytes or more, and is empty",
    ),
    (
        'a',
        "EXPORTS_CORS_ORIGINS",
        "app.example.com",
        ": \"app.example.com\" is no origin such as https://app.example.com",
    ),
    (
        'a',
        "EXPORTS_CORS_ORIGINS",
        "https://app.example.com/",
        ": \"https://app.example.com/\" is no origin: use https://app.example.com",
    ),
];

fn contradictions(world: &World) -> Vec<Mistake> {
    let folder = world.directory("contradictions");
    let file_store = format!("file://{}", folder.display());
    vec![
        api()
            .set("RUST_LOG", "exports=loud")
            .fails("RUST_LOG must be levels such as info or info,sqlx=warn, not \"exports=loud\""),
        api()
            .set("RUST_LOG", "wran")
            .fails("RUST_LOG must be levels such as info or info,sqlx=warn, not \"wran\": did you mean warn?"),
        api()
            .unset("EXPORTS_SIGNING_KEY")
            .set("EXPORTS_OBJECT_STORE_URL", &file_store)
            .fails("EXPORTS_SIGNING_KEY must be set with a file:// store: the API signs the links to its files"),
        api()
            .unset("EXPORTS_SIGNING_KEY")
            .set("EXPORTS_SIGNING_KEY_PREVIOUS", "another signing key, which is long enough")
            .fails("EXPORTS_SIGNING_KEY_PREVIOUS must not be set without EXPORTS_SIGNING_KEY, which signs new links"),
        api()
            .set("EXPORTS_LISTEN", "0.0.0.0:0")
            .set("EXPORTS_OBJECT_STORE_URL", &file_store)
            .fails("EXPORTS_PUBLIC_URL must be set with EXPORTS_LISTEN=0.0.0.0:0, to which no link to a file can lead: set the address that consumers use, such as https://exports.example.com"),
        // A bucket signs its links, but this API relays for clients that keep Authorization.
        api()
            .set("EXPORTS_LISTEN", "[::]:0")
            .fails("EXPORTS_PUBLIC_URL must be set with EXPORTS_LISTEN=[::]:0, to which no link to a file can lead: set the address that consumers use, such as https://exports.example.com"),
        api()
            .with("--signing-key hush-hush-hush-hush-hush-hush-hush")
            .usage("--signing-key must not be an argument, which other users of this machine can read: set EXPORTS_SIGNING_KEY or EXPORTS_SIGNING_KEY_FILE"),
        api()
            .set("EXPORTS_OBJECT_STORE_URL", &file_store)
            .set("EXPORTS_OBJECT_STORE_PUBLIC_ENDPOINT", "https://files.example.com")
            .fails("EXPORTS_OBJECT_STORE_PUBLIC_ENDPOINT must not be set with a file:// store: the API serves its files"),
        api()
            .set("EXPORTS_OBJECT_STORE_PUBLIC_ENDPOINT", "https://files.example.com/exports")
            .fails("EXPORTS_OBJECT_STORE_PUBLIC_ENDPOINT must have only scheme, host and port: the signature of a link covers its path"),
    ]
}
