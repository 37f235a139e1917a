//! Lists the environment variables that are set. Their values are parsed before the checks start.

use exports_objects::ignored_variables;

use super::report::Finding;

/// Prefixes of the variables of the services and of the cloud providers.
const PREFIXES: [&str; 4] = ["EXPORTS_", "AWS_", "GOOGLE_", "AZURE_"];

/// Shows names, never values.
pub(super) fn variables() -> Finding {
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let mut names: Vec<_> = names
        .filter(|name| {
            name == "DATABASE_URL" || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        })
        .collect();
    names.sort_unstable();
    Finding::ok(match names.as_slice() {
        [] => "no environment variables are set, only options".to_owned(),
        names => format!("set: {}", names.join(", ")),
    })
}

/// Variables of the cloud providers' own clients that have no effect here, with alternatives.
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
