//! A cell of a source row, in the words of all formats.

/// A cell as a reader hands it over.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cell<'c> {
    /// Text as it stands in the file; the column's formats apply.
    Text(&'c str),
    /// A typed value in canonical form.
    Plain(&'c str),
    /// A JSON value as it stands in the file.
    Json(&'c str),
    /// There is no such field.
    Missing,
    /// There are several such fields.
    Ambiguous,
    /// Something that is not one value, such as a list.
    Structure,
    /// A reference to an entity.
    Entity(&'c str),
    /// A range that begins or ends inside of a character.
    Split,
    /// A cell that shows an error.
    Error(&'c str),
    /// A formula without a stored result.
    FormulaWithoutValue,
}

/// A cell that is kept while its row is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Stored {
    Text(String),
    Plain(String),
    #[default]
    Missing,
    Ambiguous,
    Structure,
    Entity(String),
    Error(String),
    FormulaWithoutValue,
}

impl Stored {
    pub(crate) fn as_cell(&self) -> Cell<'_> {
        match self {
            Self::Text(text) => Cell::Text(text),
            Self::Plain(text) => Cell::Plain(text),
            Self::Missing => Cell::Missing,
            Self::Ambiguous => Cell::Ambiguous,
            Self::Structure => Cell::Structure,
            Self::Entity(name) => Cell::Entity(name),
            Self::Error(error) => Cell::Error(error),
            Self::FormulaWithoutValue => Cell::FormulaWithoutValue,
        }
    }

    /// What a rejected row shows of it.
    pub(crate) fn shown(&self) -> &str {
        match self {
            Self::Text(text) | Self::Plain(text) | Self::Error(text) | Self::Entity(text) => text,
            Self::FormulaWithoutValue => "=?",
            Self::Missing | Self::Ambiguous | Self::Structure => "",
        }
    }

    /// Whether it holds nothing but blanks.
    pub(crate) fn is_blank(&self) -> bool {
        self.shown().trim().is_empty()
    }
}
