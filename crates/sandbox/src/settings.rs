//! The server's settings, the same for a private cluster and a container. Owns no file and no command line.

/// Settings of every server started here.
///
/// Durability is off because the cluster is removed at the end, whatever happens to it: what would be lost in a power cut is lost
/// anyway. It changes how quickly rows are written, not what readers or transactions see, so tests still meet the real behaviour
/// and figures for reading stay honest.
pub(crate) const SETTINGS: &[(&str, &str)] = &[
    ("fsync", "off"),
    ("synchronous_commit", "off"),
    ("full_page_writes", "off"),
    // Tests run in parallel, each with its own pools.
    ("max_connections", "300"),
    ("shared_buffers", "256MB"),
    // A test can take a standby: one connection to follow, two while it is copied.
    ("wal_level", "replica"),
    ("max_wal_senders", "4"),
    // A standby that was stopped for a test finds the log it missed.
    ("wal_keep_size", "256MB"),
    // Seeding millions of rows does not run into checkpoint after checkpoint.
    ("max_wal_size", "2GB"),
    // The same on every machine, as in the container image.
    ("timezone", "UTC"),
    ("log_timezone", "UTC"),
];

/// The settings as lines of `postgresql.conf`.
pub(crate) fn as_config() -> String {
    let lines: Vec<String> = SETTINGS
        .iter()
        .map(|(name, value)| format!("{name} = '{value}'"))
        .collect();
    lines.join("\n") + "\n"
}

/// The settings as arguments of `postgres`.
pub(crate) fn as_arguments() -> impl Iterator<Item = String> {
    SETTINGS
        .iter()
        .flat_map(|(name, value)| ["-c".to_owned(), format!("{name}={value}")])
}
