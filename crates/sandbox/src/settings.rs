//! The settings of the private server, for a cluster and for a container.

/// Durability is off, because the data is removed at the end. That makes writes faster. It does not change what transactions see
/// or how fast reads are.
pub(crate) const SETTINGS: &[(&str, &str)] = &[
    ("fsync", "off"),
    ("synchronous_commit", "off"),
    ("full_page_writes", "off"),
    // Tests run in parallel, each with its own pools.
    ("max_connections", "300"),
    ("shared_buffers", "256MB"),
    // A standby needs one connection, and two during its copy.
    ("wal_level", "replica"),
    ("max_wal_senders", "4"),
    // For a standby that a test has stopped for some time.
    ("wal_keep_size", "256MB"),
    // Avoids frequent checkpoints while millions of rows are seeded.
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
