//! Profiles of consumers: the address of the API, and a key for it. One file, which only its owner can read.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Context, Error, Result};

/// Only the owner may read keys.
const MODE: u32 = 0o600;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Profile {
    pub(crate) api_url: String,
    pub(crate) api_key: String,
}

/// The file with all profiles.
#[derive(Debug)]
pub(crate) struct ProfileFile(PathBuf);

impl ProfileFile {
    /// `$XDG_CONFIG_HOME/exportctl/profiles.json`, or the same in `~/.config`.
    pub(crate) fn of_user() -> Result<Self> {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let config = match (variable("XDG_CONFIG_HOME"), variable("HOME")) {
            (Some(config), _) => PathBuf::from(config),
            (None, Some(home)) => Path::new(&home).join(".config"),
            (None, None) => {
                return Err(Error::new(
                    "there is no place for profiles: set HOME or XDG_CONFIG_HOME",
                ));
            }
        };
        Ok(Self(config.join("exportctl/profiles.json")))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn get(&self, name: &str) -> Result<Option<Profile>> {
        Ok(self.read()?.remove(name))
    }

    /// Adds or replaces a profile. A reader never sees half of the file.
    pub(crate) fn put(&self, name: &str, profile: Profile) -> Result<()> {
        let mut profiles = self.read()?;
        profiles.insert(name.to_owned(), profile);
        let text = serde_json::to_string_pretty(&profiles).context("the profiles")?;
        let writing = || format!("cannot write {}", self.0.display());
        let folder = self.0.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).context(writing())?;
        let new = folder.join(format!("profiles.json.{}", std::process::id()));
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(MODE)
            .open(&new)
            .context(writing())?;
        file.write_all(text.as_bytes()).context(writing())?;
        fs::rename(&new, &self.0).context(writing())
    }

    fn read(&self) -> Result<BTreeMap<String, Profile>> {
        let text = match fs::read_to_string(&self.0) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeMap::new()),
            read @ Err(_) => read.context(format!("cannot read {}", self.0.display()))?,
        };
        serde_json::from_str(&text).context(format!("{} is invalid", self.0.display()))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn profiles_are_kept_in_a_file_that_only_its_owner_can_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = ProfileFile(folder.path().join("a/b/profiles.json"));
        assert!(file.get("default").unwrap().is_none());
        let profile = |url: &str| Profile {
            api_url: url.to_owned(),
            api_key: "exk_key".to_owned(),
        };
        file.put("default", profile("https://a.example")).unwrap();
        file.put("test", profile("https://b.example")).unwrap();
        file.put("default", profile("https://c.example")).unwrap();
        let url = |name| file.get(name).unwrap().unwrap().api_url;
        assert_eq!(
            (url("default"), url("test")),
            ("https://c.example".into(), "https://b.example".into())
        );
        let mode = fs::metadata(file.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path().join("a/b")).unwrap().count(), 1);
        fs::write(file.path(), "{").unwrap();
        assert!(
            file.get("default")
                .unwrap_err()
                .to_string()
                .contains("is invalid")
        );
    }
}
