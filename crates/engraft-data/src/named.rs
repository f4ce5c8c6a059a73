//! Enums whose values a person writes as words.

/// Declares an enum with `ALL`, `name`, `Display` and `FromStr`, all from one list.
macro_rules! named_enum {
    (
        $(#[$doc:meta])*
        pub enum $name:ident { $($(#[$value_doc:meta])* $value:ident = $text:literal,)* }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$value_doc])* $value,)* }

        impl $name {
            /// Every value, in order.
            pub const ALL: &[$name] = &[$($name::$value),*];

            /// The word for this value.
            pub fn name(self) -> &'static str {
                match self { $($name::$value => $text,)* }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::named::UnknownName;

            fn from_str(text: &str) -> Result<$name, $crate::named::UnknownName> {
                let found = $name::ALL.iter().copied().find(|value| value.name() == text);
                found.ok_or_else(|| $crate::named::UnknownName {
                    found: text.to_string(),
                    expected: [$($text),*].join(", "),
                })
            }
        }
    };
}

pub(crate) use named_enum;

/// A word that stands for none of the values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not one of {expected}")]
pub struct UnknownName {
    pub(crate) found: String,
    pub(crate) expected: String,
}

#[cfg(test)]
mod tests {
    use crate::resize::Filter;

    #[test]
    fn words_round_trip_and_others_are_named() {
        for filter in Filter::ALL {
            assert_eq!(filter.to_string().parse(), Ok(*filter));
        }
        let error = "cubic".parse::<Filter>().unwrap_err();
        assert_eq!(error.to_string(), "`cubic` is not one of nearest, bilinear, bicubic, lanczos");
    }
}
