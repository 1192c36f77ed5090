//! Names: of Rust's items in the cases their conventions want, and of JSON
//! members as serde's `rename_all` makes them.

/// `check_totals` to `CheckTotals`.
pub(crate) fn pascal(snake: &str) -> String {
    snake.split('_').map(capitalised).collect()
}

/// `OutOfRange` to `out_of_range`.
pub(crate) fn snake(pascal: &str) -> String {
    let mut snake = String::new();
    for (at, letter) in pascal.char_indices() {
        if letter.is_uppercase() && at > 0 {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

/// `OutOfRange` to `OUT_OF_RANGE`.
pub(crate) fn screaming(pascal: &str) -> String {
    snake(pascal).to_uppercase()
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn uncapitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// A value of serde's `rename_all`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Case {
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
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "lowercase" => Self::Lower,
            "UPPERCASE" => Self::Upper,
            "PascalCase" => Self::Pascal,
            "camelCase" => Self::Camel,
            "snake_case" => Self::Snake,
            "SCREAMING_SNAKE_CASE" => Self::ScreamingSnake,
            "kebab-case" => Self::Kebab,
            "SCREAMING-KEBAB-CASE" => Self::ScreamingKebab,
            _ => return None,
        })
    }

    /// The name of a field, which is written in snake case.
    pub(crate) fn of_field(self, field: &str) -> String {
        match self {
            Self::Lower | Self::Snake => field.to_owned(),
            Self::Upper | Self::ScreamingSnake => field.to_uppercase(),
            Self::Pascal => pascal(field),
            Self::Camel => uncapitalised(&pascal(field)),
            Self::Kebab => field.replace('_', "-"),
            Self::ScreamingKebab => field.to_uppercase().replace('_', "-"),
        }
    }

    /// The name of a variant, which is written in Pascal case.
    pub(crate) fn of_variant(self, variant: &str) -> String {
        match self {
            Self::Pascal => variant.to_owned(),
            Self::Lower => variant.to_lowercase(),
            Self::Upper => variant.to_uppercase(),
            Self::Camel => uncapitalised(variant),
            Self::Snake => snake(variant),
            Self::ScreamingSnake => screaming(variant),
            Self::Kebab => snake(variant).replace('_', "-"),
            Self::ScreamingKebab => screaming(variant).replace('_', "-"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Case, pascal, screaming, snake};

    #[test]
    fn rust_names() {
        assert_eq!(pascal("check_control_totals"), "CheckControlTotals");
        assert_eq!(snake("OutOfRange"), "out_of_range");
        assert_eq!(screaming("Unavailable"), "UNAVAILABLE");
    }

    // The expected names are what serde_derive produces for these rules.
    #[test]
    fn serde_names() {
        let rules = [
            ("lowercase", "row_count", "outofrange"),
            ("UPPERCASE", "ROW_COUNT", "OUTOFRANGE"),
            ("PascalCase", "RowCount", "OutOfRange"),
            ("camelCase", "rowCount", "outOfRange"),
            ("snake_case", "row_count", "out_of_range"),
            ("SCREAMING_SNAKE_CASE", "ROW_COUNT", "OUT_OF_RANGE"),
            ("kebab-case", "row-count", "out-of-range"),
            ("SCREAMING-KEBAB-CASE", "ROW-COUNT", "OUT-OF-RANGE"),
        ];
        for (rule, field, variant) in rules {
            let case = Case::parse(rule).expect("a rule of serde");
            assert_eq!(
                (case.of_field("row_count"), case.of_variant("OutOfRange")),
                (field.into(), variant.into())
            );
        }
        assert_eq!(Case::parse("Title Case"), None);
    }
}
