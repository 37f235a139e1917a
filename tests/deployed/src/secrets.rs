//! What nobody may read anywhere: random for each deployment, so that a test can look for it.

use uuid::Uuid;

/// What nobody may read anywhere.
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
