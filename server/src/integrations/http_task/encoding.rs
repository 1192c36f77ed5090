//! Request bodies as forms.
//!
//! Source: developer guide, "Call HTTPS APIs", the field `Transform`; the
//! formats of arrays also in CDK's `URLEncodingFormat`.

use serde_json::Value;

/// How arrays are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ArrayFormat {
    /// `a[0]=x&a[1]=y`
    Indices,
    /// `a=x&a=y`
    Repeat,
    /// `a=x,y`
    Commas,
    /// `a[]=x&a[]=y`
    Brackets,
}

impl ArrayFormat {
    pub(super) fn of(name: Option<&str>) -> Option<Self> {
        Some(match name {
            None | Some("INDICES" | "DEFAULT") => Self::Indices,
            Some("REPEAT") => Self::Repeat,
            Some("COMMAS") => Self::Commas,
            Some("BRACKETS") => Self::Brackets,
            Some(_) => return None,
        })
    }
}

/// A body as a form; values in values are named in brackets.
pub(super) fn form(body: &Value, format: ArrayFormat) -> String {
    let mut pairs = Vec::new();
    for (name, value) in body.as_object().into_iter().flatten() {
        write(&sigv4::encoded(name), value, format, &mut pairs);
    }
    pairs.join("&")
}

fn write(name: &str, value: &Value, format: ArrayFormat, pairs: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                write(&format!("{name}[{}]", sigv4::encoded(key)), value, format, pairs);
            }
        }
        Value::Array(items) if format == ArrayFormat::Commas => {
            let items: Vec<String> = items.iter().map(|item| sigv4::encoded(&text(item))).collect();
            pairs.push(format!("{name}={}", items.join(",")));
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                let name = match format {
                    ArrayFormat::Indices => format!("{name}[{at}]"),
                    ArrayFormat::Brackets => format!("{name}[]"),
                    ArrayFormat::Repeat | ArrayFormat::Commas => name.to_owned(),
                };
                write(&name, item, format, pairs);
            }
        }
        value => pairs.push(format!("{name}={}", sigv4::encoded(&text(value)))),
    }
}

/// A value in a form, a query or a header: a text as it is, nothing for null.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn arrays_are_written_in_every_format() {
        let body = json!({ "array": ["a", "b c"], "o": { "x": 1, "y": [true] }, "n": null });
        for (name, expected) in [
            (None, "array[0]=a&array[1]=b%20c&o[x]=1&o[y][0]=true&n="),
            (Some("INDICES"), "array[0]=a&array[1]=b%20c&o[x]=1&o[y][0]=true&n="),
            (Some("BRACKETS"), "array[]=a&array[]=b%20c&o[x]=1&o[y][]=true&n="),
            (Some("REPEAT"), "array=a&array=b%20c&o[x]=1&o[y]=true&n="),
            (Some("COMMAS"), "array=a,b%20c&o[x]=1&o[y]=true&n="),
        ] {
            assert_eq!(form(&body, ArrayFormat::of(name).unwrap()), expected);
        }
        assert_eq!(ArrayFormat::of(Some("OTHER")), None);
    }
}
