//! The object store that files go to.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, anyhow};
use url::Url;

/// The variables with which a program finds it, and where its files lie, if that is a folder.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    variables: Vec<(String, String)>,
    folder: Option<PathBuf>,
}

impl Store {
    /// The file store, in a folder that it makes.
    pub(super) fn in_folder(folder: PathBuf) -> Result<Self> {
        fs::create_dir(&folder).with_context(|| folder.display().to_string())?;
        let url = Url::from_directory_path(&folder)
            .map_err(|()| anyhow!("{} is no absolute path", folder.display()))?;
        Ok(Self {
            variables: vec![("EXPORTS_OBJECT_STORE_URL".to_owned(), url.to_string())],
            folder: Some(folder),
        })
    }

    /// Any other store.
    pub(crate) fn with_variables(variables: Vec<(String, String)>) -> Self {
        Self {
            variables,
            folder: None,
        }
    }

    pub(crate) fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        let variables = self.variables.iter();
        variables.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Where the file of a key lies.
    pub(crate) fn file(&self, key: &str) -> Result<PathBuf> {
        let folder = self.folder.as_ref();
        Ok(folder.context("the store is no folder")?.join(key))
    }

    /// Removes the file of a key: disk is short beside so many rows.
    pub(crate) fn remove(&self, key: &str) -> Result<()> {
        let file = self.file(key)?;
        fs::remove_file(&file).with_context(|| file.display().to_string())
    }
}
