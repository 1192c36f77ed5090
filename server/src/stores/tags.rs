//! Tags of everything but queues, by ARN.

use asl::limits::TAGS_MAX;
use rusqlite::Connection;
use serde_json::{Value, json};

use super::database::{self, Done};
use super::request::{Given, validation};
use crate::http::JsonError;

/// Keys and values, in the order in which they came.
pub(super) type Tags = Vec<(String, String)>;

/// Of a list of `Key` and `Value`.
pub(super) fn of_list(list: &[Value]) -> Result<Tags, JsonError> {
    let tag = |tag: &Value| {
        let tag = Given::of(tag);
        (tag.required("Key").to_owned(), tag.required("Value").to_owned())
    };
    let tags: Tags = list.iter().map(tag).collect();
    if tags.len() > TAGS_MAX {
        return Err(validation(format!("A resource can have at most {TAGS_MAX} tags.")));
    }
    Ok(tags)
}

pub(super) fn put(connection: &Connection, arn: &str, tags: &Tags) -> Done {
    let put = "INSERT INTO tags (arn, key, value) VALUES (?1, ?2, ?3) \
               ON CONFLICT (arn, key) DO UPDATE SET value = excluded.value";
    for (key, value) in tags {
        connection.execute(put, (arn, key, value))?;
    }
    if database::count(connection, "SELECT count(*) FROM tags WHERE arn = ?1", [arn])? > TAGS_MAX {
        return Err(validation(format!("A resource can have at most {TAGS_MAX} tags.")).into());
    }
    Ok(())
}

pub(super) fn remove(connection: &Connection, arn: &str, keys: &[String]) -> Done {
    for key in keys {
        connection.execute("DELETE FROM tags WHERE arn = ?1 AND key = ?2", (arn, key))?;
    }
    Ok(())
}

pub(super) fn remove_all(connection: &Connection, arn: &str) -> Done {
    connection.execute("DELETE FROM tags WHERE arn = ?1", [arn])?;
    Ok(())
}

/// As a list of `Key` and `Value`.
pub(super) fn list(connection: &Connection, arn: &str) -> Done<Vec<Value>> {
    let mut statement =
        connection.prepare_cached("SELECT key, value FROM tags WHERE arn = ?1 ORDER BY id")?;
    let tags = statement.query_map([arn], |row| {
        Ok(json!({ "Key": row.get::<_, String>(0)?, "Value": row.get::<_, String>(1)? }))
    })?;
    Ok(tags.collect::<rusqlite::Result<_>>()?)
}
