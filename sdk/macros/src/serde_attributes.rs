//! What serde's attributes say about a type's JSON form, and a refusal of those
//! that make it something a workflow cannot see into.

use proc_macro2::Span;
use syn::meta::ParseNestedMeta;
use syn::{Attribute, Expr, LitStr, Token};

use crate::names::Case;

/// Attributes of a struct or an enum.
#[derive(Debug, Default)]
pub(crate) struct Container {
    pub(crate) rename_all: Option<Case>,
    pub(crate) rename_all_fields: Option<Case>,
    pub(crate) default: bool,
    pub(crate) tag: Option<(String, Span)>,
}

/// Attributes of a field or a variant.
#[derive(Debug, Default)]
pub(crate) struct Member {
    pub(crate) rename: Option<String>,
    pub(crate) rename_all: Option<Case>,
    pub(crate) default: bool,
    pub(crate) skip: bool,
    pub(crate) skip_serializing_if: Option<Span>,
}

impl Container {
    pub(crate) fn read(attributes: &[Attribute]) -> syn::Result<Self> {
        let mut container = Self::default();
        each(attributes, |meta| container.take(meta))?;
        Ok(container)
    }

    fn take(&mut self, meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
        match name(meta).as_str() {
            "rename_all" => self.rename_all = Some(case(meta)?),
            "rename_all_fields" => self.rename_all_fields = Some(case(meta)?),
            "default" => {
                self.default = true;
                skip_value(meta)?;
            }
            "tag" => {
                let tag: LitStr = meta.value()?.parse()?;
                self.tag = Some((tag.value(), tag.span()));
            }
            "rename" | "deny_unknown_fields" | "crate" | "expecting" | "bound" => skip_value(meta)?,
            "untagged" => return Err(meta.error(UNTAGGED)),
            "content" => return Err(meta.error(CONTENT)),
            "transparent" => return Err(meta.error(TRANSPARENT)),
            "from" | "try_from" | "into" | "remote" | "variant_identifier" | "field_identifier" => {
                return Err(meta.error(CONVERTED));
            }
            _ => return Err(meta.error(UNKNOWN)),
        }
        Ok(())
    }
}

impl Member {
    pub(crate) fn read(attributes: &[Attribute]) -> syn::Result<Self> {
        let mut member = Self::default();
        each(attributes, |meta| member.take(meta))?;
        Ok(member)
    }

    fn take(&mut self, meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
        match name(meta).as_str() {
            "rename" => {
                if !meta.input.peek(Token![=]) {
                    return Err(meta.error(TWO_NAMES));
                }
                self.rename = Some(meta.value()?.parse::<LitStr>()?.value());
            }
            "rename_all" => self.rename_all = Some(case(meta)?),
            "default" => {
                self.default = true;
                skip_value(meta)?;
            }
            "skip" => self.skip = true,
            "skip_serializing_if" => {
                self.skip_serializing_if = Some(meta.value()?.parse::<LitStr>()?.span());
            }
            "alias" | "bound" => skip_value(meta)?,
            "flatten" => return Err(meta.error(FLATTEN)),
            "skip_serializing" | "skip_deserializing" => return Err(meta.error(ONE_WAY)),
            "with" | "serialize_with" | "deserialize_with" => return Err(meta.error(CONVERTED)),
            "other" => return Err(meta.error(OTHER)),
            "untagged" => return Err(meta.error(UNTAGGED)),
            _ => return Err(meta.error(UNKNOWN)),
        }
        Ok(())
    }
}

const FLATTEN: &str = "a flattened field has no place of its own in the JSON object, so a workflow cannot reach it; \
     make it an ordinary field, or repeat its fields here";
const UNTAGGED: &str =
    "an untagged enum cannot be told apart in a workflow; give it `#[serde(tag = \"kind\")]`";
const CONTENT: &str =
    "an adjacently tagged enum has no cases here; use `#[serde(tag = \"..\")]` without `content`";
const TRANSPARENT: &str =
    "a transparent type has no fields in JSON; use the inner type in the workflow's types";
const CONVERTED: &str = "what this writes cannot be seen by `Shape`; give the field the type that is written (for a decimal: `String`)";
const TWO_NAMES: &str = "a workflow hands on what a step wrote: the name must be the same in both directions";
const ONE_WAY: &str = "a workflow hands on what a step wrote: skip the field in both directions with `skip`";
const OTHER: &str = "a variant for everything else would lose what it stands for; name every variant";
const UNKNOWN: &str = "`Shape` does not know this serde attribute, so it cannot say what JSON it makes";

fn each(
    attributes: &[Attribute],
    mut take: impl FnMut(&ParseNestedMeta<'_>) -> syn::Result<()>,
) -> syn::Result<()> {
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("serde")) {
        attribute.parse_nested_meta(|meta| take(&meta))?;
    }
    Ok(())
}

fn name(meta: &ParseNestedMeta<'_>) -> String {
    meta.path.get_ident().map(ToString::to_string).unwrap_or_default()
}

fn case(meta: &ParseNestedMeta<'_>) -> syn::Result<Case> {
    if !meta.input.peek(Token![=]) {
        return Err(meta.error(TWO_NAMES));
    }
    let rule: LitStr = meta.value()?.parse()?;
    Case::parse(&rule.value()).ok_or_else(|| syn::Error::new(rule.span(), "serde has no such rule"))
}

fn skip_value(meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
    if meta.input.peek(Token![=]) {
        meta.value()?.parse::<Expr>()?;
    } else if meta.input.peek(syn::token::Paren) {
        meta.parse_nested_meta(|inner| skip_value(&inner))?;
    }
    Ok(())
}
