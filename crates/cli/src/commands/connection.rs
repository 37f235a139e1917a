//! The client of a consumer: the address of the API and the key are in variables or in a profile.

use exports_service::settings::{ConsumerSettings, ExposeSecret};

use crate::client::Client;
use crate::error::{Error, Result};
use crate::profile::{Profile, ProfileFile};

pub(super) fn connect(settings: &ConsumerSettings) -> Result<Client> {
    let key = settings.api_key.as_ref();
    let key = key.map(|key| key.expose_secret().to_owned());
    if let (Some(url), Some(key)) = (&settings.api_url, &key) {
        return Client::to(url, key);
    }
    let profile = profile(settings)?;
    let url = api_url_or(settings, profile.as_ref())?;
    let key = key.or(profile.map(|it| it.api_key));
    let key = key.ok_or_else(|| missing(settings, "EXPORTS_API_KEY"))?;
    Client::to(&url, &key)
}

/// The address of the API, for what needs no key.
pub(super) fn api_url(settings: &ConsumerSettings) -> Result<String> {
    match &settings.api_url {
        Some(url) => Ok(url.clone()),
        None => api_url_or(settings, profile(settings)?.as_ref()),
    }
}

fn profile(settings: &ConsumerSettings) -> Result<Option<Profile>> {
    ProfileFile::of_user()?.get(&settings.profile)
}

fn api_url_or(settings: &ConsumerSettings, profile: Option<&Profile>) -> Result<String> {
    let stored = || profile.map(|it| it.api_url.clone());
    let url = settings.api_url.clone().or_else(stored);
    url.ok_or_else(|| missing(settings, "EXPORTS_API_URL"))
}

fn missing(settings: &ConsumerSettings, variable: &str) -> Error {
    Error::new(format!(
        "there is no profile {}: run 'exportctl login URL', or set {variable}",
        settings.profile
    ))
}
