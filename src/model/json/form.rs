//! What the JSON forms of values have in common.

use serde::{Deserialize, Deserializer};

/// Reads and writes a value as another one, which has the same members as its JSON. Either way may refuse.
macro_rules! form {
    ($value:ident as $form:ident) => {
        impl ::serde::Serialize for $value {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let form = $form::try_from(self).map_err(::serde::ser::Error::custom)?;
                ::serde::Serialize::serialize(&form, serializer)
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $value {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let form = <$form as ::serde::Deserialize>::deserialize(deserializer)?;
                $value::try_from(form).map_err(::serde::de::Error::custom)
            }
        }
    };
}

pub(crate) use form;

/// A value that a caller hands over, whose parts are the members of its JSON. It is read as a form with the same members, which is
/// the value if its `check_read` finds nothing wrong. A member that it does not have is refused.
macro_rules! request {
    (
        $(#[$of_all:meta])*
        pub struct $value:ident {
            $($(#[$of_part:meta])* $seen:vis $part:ident: $of:ty,)*
        }
    ) => {
        $(#[$of_all])*
        #[derive(::serde::Serialize)]
        pub struct $value {
            $($(#[$of_part])* $seen $part: $of,)*
        }

        impl<'de> ::serde::Deserialize<'de> for $value {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                #[derive(::serde::Deserialize)]
                #[serde(deny_unknown_fields)]
                struct Form {
                    $($(#[$of_part])* $part: $of,)*
                }

                let Form { $($part,)* } = ::serde::Deserialize::deserialize(deserializer)?;
                let value = Self { $($part,)* };
                value.check_read().map_err(::serde::de::Error::custom)?;
                Ok(value)
            }
        }
    };
}

pub(crate) use request;

/// A value whose JSON is the text that it is shown as and parsed from, by `serde(try_from = "String", into = "String")`.
macro_rules! by_text {
    ($value:ident) => {
        impl From<$value> for String {
            fn from(value: $value) -> String {
                value.to_string()
            }
        }

        impl TryFrom<String> for $value {
            type Error = <$value as ::std::str::FromStr>::Err;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }
    };
}

pub(crate) use by_text;

/// Beside the functions for `serde(with = ..)`: the same of a member that may be left out, and is none if it is.
macro_rules! optional {
    ($value:ty) => {
        pub(crate) mod optional {
            pub(crate) fn serialize<S: ::serde::Serializer>(
                value: &Option<$value>,
                serializer: S,
            ) -> Result<S::Ok, S::Error> {
                match value {
                    Some(value) => super::serialize(value, serializer),
                    None => serializer.serialize_none(),
                }
            }

            pub(crate) fn deserialize<'de, D: ::serde::Deserializer<'de>>(
                deserializer: D,
            ) -> Result<Option<$value>, D::Error> {
                super::deserialize(deserializer).map(Some)
            }
        }
    };
}

pub(crate) use optional;

/// A member that may be left out, but is no `null`: in a request `null` would be a condition or a setting that is forgotten without
/// a word; and a document may be `null`.
pub(crate) fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Left out where it says nothing.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
