//! Enums whose variants have names in the API and in the database.

/// A name that an enum does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is not one of {known}")]
pub struct UnknownName {
    name: String,
    known: String,
}

impl UnknownName {
    /// The error for a name that `E` does not have.
    pub(crate) fn among<E: strum::VariantNames>(name: &str) -> Self {
        Self {
            name: name.chars().take(64).collect(),
            known: E::VARIANTS.join(", "),
        }
    }

    /// The valid names, joined by commas.
    #[must_use]
    pub fn known(&self) -> &str {
        &self.known
    }
}

/// Defines an enum with names in this case. Every such enum has `ALL`, `NAMES` and `as_str`, prints its
/// name, and parses it with [`UnknownName`] as the error. The order is that of the variants.
macro_rules! named_enum {
    ($(#[$meta:meta])* enum $name:ident: $case:tt {
        $($(#[$variant_meta:meta])* $variant:ident,)+
    }) => {
        $(#[$meta])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord,
            strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray, strum::VariantNames,
        )]
        #[strum(
            serialize_all = $case,
            parse_err_ty = crate::named_enum::UnknownName,
            parse_err_fn = crate::named_enum::UnknownName::among::<$name>
        )]
        pub enum $name {
            $($(#[$variant_meta])* $variant,)+
        }

        impl $name {
            /// All variants.
            pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;
            /// All names.
            pub const NAMES: &'static [&'static str] = <Self as strum::VariantNames>::VARIANTS;

            /// The name in the API and in the database.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                self.into()
            }
        }
    };
}

pub(crate) use named_enum;
