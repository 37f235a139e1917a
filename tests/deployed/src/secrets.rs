//! The secrets of a deployment, random, so that a test can search logs for them.

use uuid::Uuid;

/// The secrets.
pub(crate) struct Secrets {
    pub(crate) database_password: String,
    pub(crate) store_key: String,
    pub(crate) rpc: String,
}

impl Secrets {
    pub(crate) fn random() -> Self {
        let random = || Uuid::new_v4().simple().to_string();
        Self {
            database_password: format!("database-password-{}", random()),
            store_key: format!("store-key-{}", random()),
            rpc: random() + &random(),
        }
    }
}
