//! The cases of `#[serde(rename_all = "...")]`.

use syn::{LitStr, Result};

/// How serde spells names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    Lower,
    Upper,
    Pascal,
    Camel,
    Snake,
    ScreamingSnake,
    Kebab,
    ScreamingKebab,
}

impl Case {
    pub fn parse(name: &LitStr) -> Result<Self> {
        Ok(match name.value().as_str() {
            "lowercase" => Self::Lower,
            "UPPERCASE" => Self::Upper,
            "PascalCase" => Self::Pascal,
            "camelCase" => Self::Camel,
            "snake_case" => Self::Snake,
            "SCREAMING_SNAKE_CASE" => Self::ScreamingSnake,
            "kebab-case" => Self::Kebab,
            "SCREAMING-KEBAB-CASE" => Self::ScreamingKebab,
            _ => return Err(syn::Error::new(name.span(), "serde knows no such case")),
        })
    }

    /// The name of a field, which Rust writes in snake case.
    pub fn field(self, name: &str) -> String {
        match self {
            Self::Lower | Self::Snake => name.to_owned(),
            Self::Upper | Self::ScreamingSnake => name.to_ascii_uppercase(),
            Self::Pascal => name.split('_').map(capitalized).collect(),
            Self::Camel => uncapitalized(&Self::Pascal.field(name)),
            Self::Kebab => name.replace('_', "-"),
            Self::ScreamingKebab => name.to_ascii_uppercase().replace('_', "-"),
        }
    }

    /// The name of a variant, which Rust writes in Pascal case.
    pub fn variant(self, name: &str) -> String {
        match self {
            Self::Lower => name.to_ascii_lowercase(),
            Self::Upper => name.to_ascii_uppercase(),
            Self::Pascal => name.to_owned(),
            Self::Camel => uncapitalized(name),
            Self::Snake => snake(name),
            Self::ScreamingSnake => snake(name).to_ascii_uppercase(),
            Self::Kebab => snake(name).replace('_', "-"),
            Self::ScreamingKebab => snake(name).to_ascii_uppercase().replace('_', "-"),
        }
    }
}

fn snake(name: &str) -> String {
    let mut snake = String::new();
    for (index, character) in name.char_indices() {
        if index > 0 && character.is_uppercase() {
            snake.push('_');
        }
        snake.push(character.to_ascii_lowercase());
    }
    snake
}

fn capitalized(word: &str) -> String {
    let mut characters = word.chars();
    characters
        .next()
        .map(|first| first.to_ascii_uppercase().to_string() + characters.as_str())
        .unwrap_or_default()
}

fn uncapitalized(word: &str) -> String {
    let mut characters = word.chars();
    characters
        .next()
        .map(|first| first.to_ascii_lowercase().to_string() + characters.as_str())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::Case;

    // The table of serde's documentation.
    #[test]
    fn cases_are_those_of_serde() {
        let cases = [
            (Case::Lower, "outcome", "very_tasty", "outcome", "verytasty"),
            (Case::Upper, "OUTCOME", "VERY_TASTY", "OUTCOME", "VERYTASTY"),
            (Case::Pascal, "Outcome", "VeryTasty", "Outcome", "VeryTasty"),
            (Case::Camel, "outcome", "veryTasty", "outcome", "veryTasty"),
            (
                Case::Snake,
                "outcome",
                "very_tasty",
                "outcome",
                "very_tasty",
            ),
            (
                Case::ScreamingSnake,
                "OUTCOME",
                "VERY_TASTY",
                "OUTCOME",
                "VERY_TASTY",
            ),
            (
                Case::Kebab,
                "outcome",
                "very-tasty",
                "outcome",
                "very-tasty",
            ),
            (
                Case::ScreamingKebab,
                "OUTCOME",
                "VERY-TASTY",
                "OUTCOME",
                "VERY-TASTY",
            ),
        ];
        for (case, field, long_field, variant, long_variant) in cases {
            assert_eq!(case.field("outcome"), field, "{case:?}");
            assert_eq!(case.field("very_tasty"), long_field, "{case:?}");
            assert_eq!(case.variant("Outcome"), variant, "{case:?}");
            assert_eq!(case.variant("VeryTasty"), long_variant, "{case:?}");
        }
    }
}
