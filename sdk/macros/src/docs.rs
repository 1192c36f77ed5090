//! Doc comments as text.

use syn::{Attribute, Expr, ExprLit, Lit, Meta};

/// The first paragraph of an item's doc comment on one line.
pub(crate) fn first_paragraph(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(text);
    let lines: Vec<String> =
        lines.flat_map(|text| text.split('\n').map(String::from).collect::<Vec<_>>()).collect();
    let paragraph = lines.iter().map(|line| line.trim()).skip_while(|line| line.is_empty());
    paragraph.take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The doc comment attributes of an item, to be put on what is made of it.
pub(crate) fn attributes(attributes: &[Attribute]) -> impl Iterator<Item = &Attribute> {
    attributes.iter().filter(|attribute| attribute.path().is_ident("doc"))
}

fn text(attribute: &Attribute) -> Option<String> {
    match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    }
}
