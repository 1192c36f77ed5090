use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::Component;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

fn bucket() -> (TempDir, Folder) {
    let dir = TempDir::new().unwrap();
    let folder = Folder::new(dir.path().join("bucket"));
    (dir, folder)
}

fn key(text: &str) -> Key<'_> {
    Key::new(text).unwrap()
}

fn put(folder: &Folder, text: &str, content: &str) -> Stamp {
    let mut file = folder.incoming("put-").unwrap();
    file.write_all(content.as_bytes()).unwrap();
    folder.publish(file, key(text)).unwrap()
}

fn read(folder: &Folder, text: &str) -> Option<String> {
    let mut content = String::new();
    folder.open(key(text)).unwrap()?.file.read_to_string(&mut content).unwrap();
    Some(content)
}

fn delete(folder: &Folder, text: &str) -> bool {
    let lock = folder.lock().unwrap();
    folder.take_away(&lock, key(text)).unwrap().is_some()
}

fn keys(folder: &Folder, list: &List<'_>) -> Vec<String> {
    let mut list = List { entries_max: 2, ..list.clone() };
    let mut keys = Vec::new();
    loop {
        let page = folder.list(&list).unwrap();
        assert!(page.entries.len() <= 2);
        keys.extend(page.entries.iter().map(|entry| entry.name().to_owned()));
        match page.entries.last() {
            Some(entry) if page.is_truncated => list.after = Some(entry.after()),
            _ => return keys,
        }
    }
}

/// What is in a bucket's folder for people to see.
fn visible(folder: &Folder) -> Vec<String> {
    let entries = fs::read_dir(folder.root()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name != ".stepwright").collect()
}

/// Keys that somebody may want to break out with, and others that are hard on file systems.
const AWKWARD: [&str; 34] = [
    "..",
    "../secret",
    "../../secret",
    "a/../../../secret",
    "/etc/passwd",
    "/",
    "//",
    "a//b",
    "a/",
    "a",
    "a/b",
    "a/b/",
    ".",
    "./a",
    "a/.",
    "a/..",
    "nul\0byte",
    "\0",
    "line\nend",
    "..\\secret",
    "C:\\secret",
    "con",
    "nul.txt",
    "-rf",
    "~root",
    "%2e%2e/secret",
    "%2E%2E%2Fsecret",
    "=a",
    "+a/=b",
    ".stepwright",
    ".stepwright/lock",
    ".stepwright/keys/=a",
    "é",
    "e\u{301}",
];

#[test]
fn every_key_is_held_and_none_leads_out() {
    let (dir, folder) = bucket();
    fs::write(dir.path().join("secret"), "untouched").unwrap();
    let long = [
        "x".repeat(256),
        "x".repeat(1024),
        "/".repeat(1024),
        "\u{10ffff}".repeat(256),
        "a/".repeat(511),
        "../".repeat(341),
        format!("{}/b", "x".repeat(300)),
    ];
    let all: BTreeSet<&str> = AWKWARD.into_iter().chain(long.iter().map(String::as_str)).collect();
    for text in &all {
        assert_eq!(read(&folder, text), None, "{text:?}");
        put(&folder, text, text);
    }
    for text in &all {
        assert_eq!(read(&folder, text).as_deref(), Some(*text), "{text:?}");
    }
    assert_eq!(keys(&folder, &List::default()), all.iter().copied().collect::<Vec<_>>());
    assert_eq!(fs::read_to_string(dir.path().join("secret")).unwrap(), "untouched");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "nothing beside the bucket");
    for text in &all {
        assert!(delete(&folder, text), "{text:?}");
        assert_eq!(read(&folder, text), None, "{text:?}");
    }
    assert_eq!(visible(&folder), Vec::<String>::new(), "folders go with the last object");
}

#[test]
fn texts_that_are_no_keys() {
    assert_eq!(Key::new(""), Err(KeyError::Empty));
    assert_eq!(Key::new(&"x".repeat(1025)), Err(KeyError::TooLong));
    assert_eq!(Key::new(&"ü".repeat(513)), Err(KeyError::TooLong));
}

#[test]
fn people_find_keys_that_are_paths() {
    let (_dir, folder) = bucket();
    for text in ["2026/übersicht '$(x)'.csv", "a%20b", "con"] {
        put(&folder, text, "x");
        assert_eq!(fs::read_to_string(folder.root().join(text)).unwrap(), "x");
    }
}

#[test]
fn a_key_stays_where_it_is_while_another_takes_its_path() {
    let (_dir, folder) = bucket();
    put(&folder, "a/b", "1");
    put(&folder, "a", "2");
    assert!(delete(&folder, "a/b"));
    put(&folder, "a", "3");
    assert_eq!(read(&folder, "a").as_deref(), Some("3"));
    assert_eq!(keys(&folder, &List::default()), ["a"]);
    assert!(delete(&folder, "a"));
    assert_eq!(read(&folder, "a"), None);
}

#[test]
fn links_are_not_followed() {
    let (dir, folder) = bucket();
    put(&folder, "in", "x");
    fs::create_dir(dir.path().join("outside")).unwrap();
    fs::write(dir.path().join("outside/secret"), "x").unwrap();
    std::os::unix::fs::symlink(dir.path().join("outside"), folder.root().join("link")).unwrap();
    std::os::unix::fs::symlink(dir.path().join("outside/secret"), folder.root().join("file")).unwrap();
    for text in ["link/secret", "link", "file"] {
        let denied = std::io::ErrorKind::PermissionDenied;
        assert_eq!(folder.open(key(text)).unwrap_err().kind(), denied, "{text}");
        let file = folder.incoming("put-").unwrap();
        assert_eq!(folder.publish(file, key(text)).unwrap_err().kind(), denied, "{text}");
    }
    assert_eq!(fs::read_to_string(dir.path().join("outside/secret")).unwrap(), "x");
    assert_eq!(keys(&folder, &List::default()), ["in"]);
}

#[test]
fn what_is_known_belongs_to_the_bytes() {
    let (_dir, folder) = bucket();
    let about = About { etag: "tag".into(), note: "{\"two\":\n\"lines\"}".into() };
    let first = put(&folder, "a", "one");
    folder.keep_about(key("a"), first, &about).unwrap();
    assert_eq!(folder.open(key("a")).unwrap().unwrap().about, Some(about.clone()));
    // Somebody who knows nothing of it writes other bytes.
    fs::write(folder.root().join("a"), "by hand").unwrap();
    assert_eq!(folder.open(key("a")).unwrap().unwrap().about, None);
    let second = put(&folder, "a", "two");
    folder.keep_about(key("a"), second, &about).unwrap();
    put(&folder, "a", "three");
    assert_eq!(folder.about(key("a"), second).unwrap(), None, "forgotten with the bytes");
}

#[test]
fn a_reader_sees_the_old_object_or_the_new_one() {
    let (_dir, folder) = bucket();
    let content = |number: usize| format!("{number}").repeat(50_000 + number);
    put(&folder, "a", &content(0));
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..2)
            .map(|writer| {
                let (folder, content) = (&folder, &content);
                scope.spawn(move || {
                    for turn in 0..20 {
                        put(folder, "a", &content(writer + turn % 4));
                    }
                })
            })
            .collect();
        while writers.iter().any(|writer| !writer.is_finished()) {
            let seen = read(&folder, "a").unwrap();
            let number = usize::from(seen.as_bytes()[0] - b'0');
            assert!(seen == content(number), "a mix that starts with {number}");
        }
    });
}

#[test]
fn prefixes_are_told_once_and_gone_beyond() {
    let (_dir, folder) = bucket();
    for text in ["a/1", "a/2", "a/3", "a-b", "b", "c/d/1", "c/d/2", "c//x", "e/"] {
        put(&folder, text, "x");
    }
    let list = |prefix, delimiter| keys(&folder, &List { prefix, delimiter, ..List::default() });
    assert_eq!(list("", "/"), ["a-b", "a/", "b", "c/", "e/"]);
    assert_eq!(list("c/", "/"), ["c//", "c/d/"]);
    assert_eq!(list("a", "/"), ["a-b", "a/"]);
    assert_eq!(list("", "-"), ["a-", "a/1", "a/2", "a/3", "b", "c//x", "c/d/1", "c/d/2", "e/"]);
    assert_eq!(list("e/", "/"), ["e/"]);
    assert!(list("zz", "/").is_empty());
    let after = |after| {
        let list = List { delimiter: "/", after: Some(After::Key(after)), ..List::default() };
        keys(&folder, &list)
    };
    assert_eq!(after("a/2".to_owned()), ["a/", "b", "c/", "e/"]);
    assert_eq!(after("a/3".to_owned()), ["b", "c/", "e/"]);
}

/// Parts that meet each other often.
fn texts() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        4 => "[ab]{1,2}",
        1 => Just(String::new()),
        1 => Just("..".to_owned()),
        1 => Just(".stepwright".to_owned()),
        1 => "[=+%.~a]{1,3}",
        1 => "\\PC{1,3}",
        1 => any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(part, 1..4)
        .prop_map(|parts| parts.join("/"))
        .prop_filter("a key", |key| !key.is_empty())
}

proptest! {
    #[test]
    fn an_encoding_is_of_one_key(text in prop_oneof![texts(), any::<String>(), "\\PC{200,340}"]) {
        let Ok(key) = Key::new(&text) else { return Ok(()) };
        let path = key.encoded_path();
        prop_assert_eq!(Key::decoded(&path), Some(text.clone()));
        for part in path.components() {
            let is_plain = matches!(part, Component::Normal(name) if name.len() <= 220 && name.is_ascii());
            prop_assert!(is_plain, "{:?}", path);
        }
        if key.is_path() {
            let path = std::path::Path::new(&text);
            prop_assert!(path.components().all(|part| matches!(part, Component::Normal(_))));
            let parts: Vec<_> = path.iter().map(|part| part.to_str().unwrap()).collect();
            prop_assert_eq!(parts.join("/"), text);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn a_bucket_is_a_map(changes in prop::collection::vec((texts(), any::<bool>()), 1..14), prefix in "[ab]{0,1}/?") {
        let (dir, folder) = bucket();
        let mut map = BTreeMap::new();
        for (number, (text, is_put)) in changes.iter().enumerate() {
            if *is_put {
                put(&folder, text, &number.to_string());
                map.insert(text.clone(), number.to_string());
            } else {
                prop_assert_eq!(delete(&folder, text), map.remove(text).is_some());
            }
            for (text, _) in &changes {
                prop_assert_eq!(read(&folder, text), map.get(text).cloned());
            }
        }
        let wanted: Vec<_> = map.keys().filter(|key| key.starts_with(&prefix)).cloned().collect();
        prop_assert_eq!(keys(&folder, &List { prefix: &prefix, ..List::default() }), wanted.clone());
        let mut rolled: Vec<_> = wanted.iter().map(|key| match key[prefix.len()..].find('/') {
            Some(at) => key[..=prefix.len() + at].to_owned(),
            None => key.clone(),
        }).collect();
        rolled.dedup();
        prop_assert_eq!(keys(&folder, &List { prefix: &prefix, delimiter: "/", ..List::default() }), rolled);
        prop_assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}

#[test]
fn folders_are_made_for_their_owner_and_found_again() {
    use std::os::unix::fs::PermissionsExt as _;
    let (dir, folder) = bucket();
    let deep = dir.path().join("a/b/c");
    make_durable_dir(&deep).unwrap();
    make_durable_dir(&deep).unwrap();
    put(&folder, "x/y/z", "content");
    for made in [
        deep.as_path(),
        &dir.path().join("a"),
        folder.root(),
        &folder.root().join("x/y"),
        &folder.ours("incoming"),
    ] {
        let mode = made.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o700, "{}", made.display());
    }
    fs::write(dir.path().join("file"), "").unwrap();
    assert!(make_durable_dir(&dir.path().join("file/x")).is_err(), "a file is in the way");
}

#[test]
fn only_the_folder_of_our_name_is_ours() {
    let (_dir, folder) = bucket();
    for text in [".stepwright-notes/a", ".stepwrightx"] {
        put(&folder, text, text);
        assert!(folder.root().join(text).is_file(), "{text} lies where its key says");
        assert_eq!(read(&folder, text).as_deref(), Some(text));
    }
    put(&folder, ".stepwright/x", "ours");
    assert_eq!(keys(&folder, &List::default()), [".stepwright-notes/a", ".stepwright/x", ".stepwrightx"]);
}
