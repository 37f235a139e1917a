//! Tools that the scripts `scripts/ensure-…` and `scripts/install-tools` keep outside of the project.

use std::path::PathBuf;

/// Their folder, which may be missing.
#[must_use]
pub fn tools_folder() -> PathBuf {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    let cache = || {
        let home = || Some(variable("HOME")?.join(".cache"));
        variable("XDG_CACHE_HOME").or_else(home)
    };
    variable("TOOLS_DIR")
        .or_else(|| Some(cache()?.join("exports-tools")))
        .unwrap_or_default()
}
