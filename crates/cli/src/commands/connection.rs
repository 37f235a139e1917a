//! The client of a consumer: the address of the API and the key are in variables or in a profile.

use exports_service::settings::{ConsumerSettings, ExposeSecret};

use crate::client::Client;
use crate::error::{Error, Result};
use crate::profile::ProfileFile;

pub(super) fn connect(settings: &ConsumerSettings) -> Result<Client> {
    let key = settings.api_key.as_ref();
    let key = key.map(|key| key.expose_secret().to_owned());
    if let (Some(url), Some(key)) = (&settings.api_url, &key) {
        return Client::to(url, key);
    }
    let name = &settings.profile;
    let profile = ProfileFile::of_user()?.get(name)?;
    let (stored_url, stored_key) = profile.map(|it| (it.api_url, it.api_key)).unzip();
    let missing = |variable: &str| {
        Error::new(format!(
            "there is no profile {name}: run 'exportctl login URL', or set {variable}"
        ))
    };
    let url = settings.api_url.clone().or(stored_url);
    let url = url.ok_or_else(|| missing("EXPORTS_API_URL"))?;
    let key = key.or(stored_key);
    Client::to(&url, &key.ok_or_else(|| missing("EXPORTS_API_KEY"))?)
}
