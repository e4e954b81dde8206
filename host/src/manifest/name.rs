//! Names of skills, tools and secrets.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest name, in bytes: what chat assistants accept as a tool's name.
pub const MAX_NAME: usize = 64;

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(Box<str>);

        impl $type {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                if is_name(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(format!(
                        "{text:?} is no {} name: use 1 to {MAX_NAME} of `a-z`, `0-9` and `-`",
                        $what
                    ))
                }
            }
        }

        impl TryFrom<String> for $type {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.0.into()
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// The name of a skill: `[a-z0-9-]{1,64}`.
    SkillName, "skill"
}
name! {
    /// The name of a tool within its skill: `[a-z0-9-]{1,64}`.
    ToolName, "tool"
}

name! {
    /// The name of a secret, the skill's own or the operator's: `[a-z0-9-]{1,64}`.
    SecretName, "secret"
}

fn is_name(text: &str) -> bool {
    (1..=MAX_NAME).contains(&text.len())
        && text
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_hold_lower_case_letters_digits_and_hyphens() {
        for good in ["a", "text-stats", "0", &"x".repeat(64)] {
            assert_eq!(good.parse::<SkillName>().unwrap().as_str(), good);
        }
        for bad in ["", "A", "a_b", "a b", "ä", "a/b", "a\0", &"x".repeat(65)] {
            assert!(bad.parse::<ToolName>().is_err(), "{bad:?}");
        }
    }
}
