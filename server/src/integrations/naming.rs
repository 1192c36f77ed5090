//! How AWS's SDK for Java calls things: Step Functions is written with it, so
//! its names are in results and errors of `aws-sdk` integrations.
//!
//! Recorded on AWS: the service `DynamoDB` fails with `DynamoDb.…`, its error
//! `InvalidToken` as `InvalidTokenException`; a result of S3 has `ETag` and
//! `ChecksumCRC32`, one of RDS `DbInstances`.

/// The name of a class: every word has one capital letter. `SESv2` is `SesV2`.
pub(super) fn class_name(name: &str) -> String {
    let mut class = String::with_capacity(name.len());
    for word in words(name) {
        let mut characters = word.chars();
        class.extend(characters.next().map(|first| first.to_ascii_uppercase()));
        class.extend(characters.map(|character| character.to_ascii_lowercase()));
    }
    class
}

/// The class of an error: `NoSuchKey` is `NoSuchKeyException`.
pub(super) fn exception_name(error: &str) -> String {
    let stem = error.strip_suffix("Fault").or_else(|| error.strip_suffix("Exception")).unwrap_or(error);
    format!("{}Exception", class_name(stem))
}

/// A member in a result: capital letters at the beginning are one word.
/// `DBInstances` is `DbInstances`, `ETag` stays `ETag`.
pub(super) fn member_name(member: &str) -> String {
    let characters: Vec<char> = member.chars().collect();
    let mut length = usize::from(!characters.is_empty());
    while characters.get(length).is_some_and(|next| next.is_uppercase())
        && !characters.get(length + 1).is_some_and(|after| after.is_lowercase())
    {
        length += 1;
    }
    let lowered = |(at, character): (usize, &char)| match at {
        0 => character.to_ascii_uppercase(),
        at if at < length => character.to_ascii_lowercase(),
        _ => *character,
    };
    characters.iter().enumerate().map(lowered).collect()
}

/// The words in a name: they end where a small letter meets a capital one, where
/// an acronym meets a word, after a number, and before the `v` of a version.
fn words(name: &str) -> Vec<String> {
    let characters: Vec<char> = name.chars().collect();
    let mut words = Vec::new();
    let mut word = String::new();
    for (at, character) in characters.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| characters.get(at)).copied();
        let after = characters.get(at + 1).copied();
        if !character.is_ascii_alphanumeric() {
            words.push(std::mem::take(&mut word));
            continue;
        }
        // `SESv2` is no word `Sv`.
        let after = after.filter(|_| !is_version(&characters, at + 1));
        if before.is_some_and(|before| begins_word(before, *character, after)) || is_version(&characters, at)
        {
            words.push(std::mem::take(&mut word));
        }
        word.push(*character);
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

fn begins_word(before: char, character: char, after: Option<char>) -> bool {
    let capital = character.is_ascii_uppercase();
    (capital && before.is_ascii_lowercase() && after.is_some())
        || (capital && before.is_ascii_uppercase() && after.is_some_and(|after| after.is_ascii_lowercase()))
        || (character.is_ascii_alphabetic() && before.is_ascii_digit())
}

/// `v2` after two characters that are no small letters.
fn is_version(characters: &[char], at: usize) -> bool {
    let is_number = characters.get(at + 1).is_some_and(char::is_ascii_digit);
    let others = at.checked_sub(2).and_then(|from| characters.get(from..at));
    characters.get(at) == Some(&'v')
        && is_number
        && others.is_some_and(|others| others.iter().all(|other| !other.is_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_named_as_in_the_sdk() {
        for (name, class) in [
            ("DynamoDB", "DynamoDb"),
            ("Secrets Manager", "SecretsManager"),
            ("SFN", "Sfn"),
            ("S3", "S3"),
            ("SESv2", "SesV2"),
            ("WAFV2", "Wafv2"),
            ("Elastic Load Balancing v2", "ElasticLoadBalancingV2"),
            ("RDS Data", "RdsData"),
            ("EC2", "Ec2"),
            ("Route 53", "Route53"),
            ("KMSAccessDenied", "KmsAccessDenied"),
        ] {
            assert_eq!(class_name(name), class, "{name}");
        }
    }

    #[test]
    fn errors_and_members_are_named_as_in_the_sdk() {
        assert_eq!(exception_name("NoSuchKey"), "NoSuchKeyException");
        assert_eq!(exception_name("ResourceNotFoundException"), "ResourceNotFoundException");
        assert_eq!(exception_name("DBInstanceNotFoundFault"), "DbInstanceNotFoundException");
        for (member, name) in [
            ("ETag", "ETag"),
            ("ChecksumCRC32", "ChecksumCRC32"),
            ("DBInstances", "DbInstances"),
            ("SSEKMSKeyId", "SsekmsKeyId"),
            ("MD5OfMessageBody", "Md5OfMessageBody"),
            ("executionArn", "ExecutionArn"),
            ("S", "S"),
        ] {
            assert_eq!(member_name(member), name, "{member}");
        }
    }
}
