//! How callers name a function.
//!
//! A name, a partial ARN or an ARN, each with or without a version or alias
//! (API reference, `Invoke`, `FunctionName`). There is one code of a function
//! here, so every version and alias is it; what was asked for is told back.

/// A function as somebody named it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identifier<'a> {
    /// The plain name.
    pub(super) name: &'a str,
    /// The version or alias.
    pub(super) qualifier: Option<&'a str>,
}

impl<'a> Identifier<'a> {
    /// Reads `name`, `name:qualifier`, `account:function:name[:qualifier]` or an ARN.
    pub(super) fn of(given: &'a str) -> Self {
        let name = match given.split_once(":function:") {
            Some((_, rest)) => rest,
            None => given.strip_prefix("function:").unwrap_or(given),
        };
        match name.split_once(':') {
            Some((name, qualifier)) if !qualifier.is_empty() => Self { name, qualifier: Some(qualifier) },
            _ => Self { name: name.trim_end_matches(':'), qualifier: None },
        }
    }

    /// The same with the parameter `Qualifier`; `None` = the two contradict each other.
    pub(super) fn qualified(self, parameter: Option<&'a str>) -> Option<Self> {
        match (self.qualifier, parameter) {
            (Some(own), Some(other)) if own != other => None,
            (own, other) => Some(Self { qualifier: own.or(other), ..self }),
        }
    }
}

/// What answers say was executed: a version that was asked for by its number, else the latest.
pub(super) fn executed_version(qualifier: Option<&str>) -> &str {
    match qualifier {
        Some(version) if version.bytes().all(|byte| byte.is_ascii_digit()) => version,
        _ => "$LATEST",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_named_in_four_ways() {
        for (given, qualifier) in [
            ("f", None),
            ("f:PROD", Some("PROD")),
            ("f:$LATEST", Some("$LATEST")),
            ("123456789012:function:f", None),
            ("123456789012:function:f:2", Some("2")),
            ("arn:aws:lambda:us-east-1:123456789012:function:f", None),
            ("arn:aws:lambda:us-east-1:123456789012:function:f:3", Some("3")),
            ("f:", None),
        ] {
            assert_eq!(Identifier::of(given), Identifier { name: "f", qualifier }, "{given}");
        }
    }

    #[test]
    fn a_qualifier_may_be_given_twice_but_not_twice_differently() {
        assert_eq!(Identifier::of("f").qualified(Some("2")).map(|found| found.qualifier), Some(Some("2")));
        assert_eq!(Identifier::of("f:2").qualified(Some("2")).map(|found| found.qualifier), Some(Some("2")));
        assert_eq!(Identifier::of("f:2").qualified(Some("PROD")), None);
        assert_eq!((executed_version(Some("2")), executed_version(Some("PROD"))), ("2", "$LATEST"));
    }
}
