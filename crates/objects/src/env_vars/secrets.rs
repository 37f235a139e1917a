//! Which of the clouds' variables are secrets. The caller may read them from files.

const AWS: &[&str] = &[
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SSE_CUSTOMER_KEY_BASE64",
];
const GOOGLE: &[&str] = &["GOOGLE_BEARER_TOKEN", "GOOGLE_SERVICE_ACCOUNT_KEY"];
const AZURE: &[&str] = &[
    "AZURE_CLIENT_SECRET",
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_CLIENT_SECRET",
    "AZURE_STORAGE_ENCRYPTION_KEY",
    "AZURE_STORAGE_SAS_KEY",
    "AZURE_STORAGE_SAS_TOKEN",
    "AZURE_STORAGE_TOKEN",
];

/// The variables of the store with this URL whose values are secrets, and not the paths of files with secrets.
#[must_use]
pub fn secret_variables(store_url: &str) -> &'static [&'static str] {
    match store_url.trim_start().split_once("://") {
        Some(("s3", _)) => AWS,
        Some(("gs", _)) => GOOGLE,
        Some(("az", _)) => AZURE,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use object_store::aws::AmazonS3ConfigKey;
    use object_store::azure::AzureConfigKey;
    use object_store::gcp::GoogleConfigKey;

    use super::*;

    #[test]
    fn every_secret_is_a_variable_of_its_client() {
        for name in AWS {
            AmazonS3ConfigKey::from_str(&name.to_ascii_lowercase()).expect(name);
        }
        for name in GOOGLE {
            GoogleConfigKey::from_str(&name.to_ascii_lowercase()).expect(name);
        }
        for name in AZURE {
            AzureConfigKey::from_str(&name.to_ascii_lowercase()).expect(name);
        }
        assert_eq!(secret_variables("file:///x"), [""; 0]);
    }
}
