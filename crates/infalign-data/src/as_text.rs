//! Records that serde takes as the text that is typed for them.

/// `Serialize` by a type's `Display` and `Deserialize` by its `FromStr`, whose error is the reader's.
#[macro_export]
macro_rules! serde_as_text {
    ($kind:ty) => {
        impl ::serde::Serialize for $kind {
            fn serialize<S: ::serde::Serializer>(
                &self,
                to: S,
            ) -> ::std::result::Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $kind {
            fn deserialize<D: ::serde::Deserializer<'de>>(
                from: D,
            ) -> ::std::result::Result<Self, D::Error> {
                let text = <::std::string::String as ::serde::Deserialize>::deserialize(from)?;
                text.parse().map_err(::serde::de::Error::custom)
            }
        }
    };
}
