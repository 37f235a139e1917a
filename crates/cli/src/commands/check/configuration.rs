//! Which variables are set. Their values are parsed before a check begins.

use exports_objects::ignored_variables;

use super::report::Finding;

/// What the services read of the environment: the table's names, and the clouds'.
const PREFIXES: [&str; 4] = ["EXPORTS_", "AWS_", "GOOGLE_", "AZURE_"];

/// Names, never values.
pub(super) fn variables() -> Finding {
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let mut names: Vec<_> = names
        .filter(|name| {
            name == "DATABASE_URL" || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        })
        .collect();
    names.sort_unstable();
    Finding::ok(match names.as_slice() {
        [] => "no variables are set: everything came by options".to_owned(),
        names => format!("set: {}", names.join(", ")),
    })
}

/// Those that the clouds' own clients know and that have no effect here, each with what to use instead.
pub(super) fn ignored(store_url: &str) -> Option<Finding> {
    let mut names: Vec<_> = std::env::vars_os()
        .filter(|(_, value)| !value.is_empty())
        .filter_map(|(name, _)| name.into_string().ok())
        .collect();
    names.sort_unstable();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let ignored = ignored_variables(store_url, &names);
    (!ignored.is_empty()).then(|| Finding::warn(ignored.join("; ")))
}
