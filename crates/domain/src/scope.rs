//! What an API key may do.

use crate::named_enum::named_enum;

named_enum! {
    /// The scope of an API key, as in the database and in `exportctl`.
    enum Scope: "snake_case" {
        /// May get and list exports and download their files.
        Read,
        /// May also create and delete exports.
        Write,
    }
}

impl Scope {
    /// Whether a key with this scope may do what needs `needed`.
    #[must_use]
    pub const fn allows(self, needed: Self) -> bool {
        match (self, needed) {
            (Self::Write, Self::Read | Self::Write) | (Self::Read, Self::Read) => true,
            (Self::Read, Self::Write) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_key_may_do_everything_and_a_read_key_may_only_read() {
        assert!(Scope::Write.allows(Scope::Read) && Scope::Write.allows(Scope::Write));
        assert!(Scope::Read.allows(Scope::Read) && !Scope::Read.allows(Scope::Write));
        assert_eq!(Scope::NAMES, ["read", "write"]);
    }
}
