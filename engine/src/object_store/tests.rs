use std::io::Read;

use proptest::prelude::*;

use super::*;

fn text(store: &dyn ObjectStore, key: &str, range: Option<Range<u64>>) -> Result<String, ObjectErrorCode> {
    let request = GetObject { bucket: "b".into(), key: key.into(), range, version_id: None };
    let mut object = store.get(&request).map_err(|error| error.code)?;
    let mut text = String::new();
    object.body.read_to_string(&mut text).unwrap();
    Ok(text)
}

fn keys(store: &dyn ObjectStore, prefix: &str) -> Vec<String> {
    let mut request = ListObjects { bucket: "b".into(), prefix: prefix.into(), ..ListObjects::default() };
    let mut keys = Vec::new();
    loop {
        let page = store.list(&request).unwrap();
        assert!(page.objects.len() <= LIST_PAGE_OBJECTS);
        keys.extend(page.objects.into_iter().map(|object| object.key));
        match page.continuation {
            Some(continuation) => request.continuation = Some(continuation),
            None => return keys,
        }
    }
}

fn both(check: impl Fn(&dyn ObjectStore)) {
    let memory = MemoryStore::new();
    memory.create_bucket("b");
    check(&memory);
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("b")).unwrap();
    check(&DirectoryStore::new(directory.path()));
    let elsewhere = tempfile::tempdir().unwrap();
    check(&DirectoryStore::default().with_bucket("b", elsewhere.path()));
}

#[test]
fn what_is_put_is_got() {
    both(|store| {
        let first = store.put("b", "a/x.txt", &mut "hello".as_bytes()).unwrap();
        assert_eq!(text(store, "a/x.txt", None).unwrap(), "hello");
        assert_eq!(text(store, "a/x.txt", Some(1..3)).unwrap(), "el");
        assert_eq!(text(store, "a/x.txt", Some(3..99)).unwrap(), "lo");
        assert_eq!(text(store, "a/x.txt", Some(7..99)), Err(ObjectErrorCode::InvalidRange));
        let second = store.put("b", "a/x.txt", &mut "other one".as_bytes()).unwrap();
        assert_ne!(first, second, "the tag changes with the content");
        assert_eq!(text(store, "a/x.txt", None).unwrap(), "other one");
    });
}

#[test]
fn what_is_not_there_is_said_in_the_words_of_s3() {
    both(|store| {
        assert_eq!(text(store, "none", None), Err(ObjectErrorCode::NoSuchKey));
        let missing = ListObjects { bucket: "none".into(), ..ListObjects::default() };
        let error = store.list(&missing).unwrap_err();
        assert_eq!(error.code, ObjectErrorCode::NoSuchBucket);
        assert_eq!(error.to_string(), "The specified bucket does not exist (NoSuchBucket; bucket 'none')");
        assert_eq!(store.put("none", "k", &mut "".as_bytes()).unwrap_err().code.as_str(), "NoSuchBucket");
        store.put("b", "k", &mut "".as_bytes()).unwrap();
        let versioned =
            GetObject { bucket: "b".into(), key: "k".into(), version_id: Some("1".into()), range: None };
        assert_eq!(store.get(&versioned).unwrap_err().code, ObjectErrorCode::NoSuchVersion);
    });
}

/// Puts an object past the directory store, whose syncs are slow; `false` = its directory is a file, or the other way round.
fn write(directory: &std::path::Path, key: &str) -> bool {
    let path = directory.join(key);
    std::fs::create_dir_all(path.parent().unwrap()).is_ok() && std::fs::write(path, "x").is_ok()
}

#[test]
fn lists_come_in_pages_and_in_the_order_of_keys() {
    let memory = MemoryStore::new();
    let directory = tempfile::tempdir().unwrap();
    let numbered = (0..1_203).map(|number| format!("p/{number:04}"));
    for key in numbered.chain(["p-1", "p.d/z", "q", "a/b/c"].map(str::to_owned)) {
        memory.insert("b", &key, "x");
        assert!(write(directory.path(), &key));
    }
    let check = |store: &dyn ObjectStore| {
        let all = keys(store, "");
        let mut sorted = all.clone();
        sorted.sort();
        assert_eq!((all.len(), &all), (1_207, &sorted));
        assert_eq!(keys(store, "p/").len(), 1_203);
        assert_eq!(keys(store, "p/12").len(), 3);
        assert_eq!(keys(store, "p"), all[1..1_206]);
        assert_eq!(keys(store, "a/b"), ["a/b/c"]);
        assert!(keys(store, "zz").is_empty());
    };
    check(&memory);
    check(&DirectoryStore::default().with_bucket("b", directory.path()));
}

#[test]
fn a_key_does_not_leave_its_bucket() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("b")).unwrap();
    std::fs::write(directory.path().join("secret"), "s").unwrap();
    std::os::unix::fs::symlink(directory.path(), directory.path().join("b/out")).unwrap();
    let store = DirectoryStore::new(directory.path());
    for key in ["", "x".repeat(1_025).as_str()] {
        assert_eq!(text(&store, key, None), Err(ObjectErrorCode::InvalidArgument), "{key}");
        assert!(store.put("b", key, &mut "x".as_bytes()).is_err(), "{key}");
    }
    let mut awkward = ["../secret", "/etc/passwd", "a/../../secret", "a//b", ".", "a/./b", "nul\0", "a\\b"];
    awkward.sort_unstable();
    for key in awkward {
        assert_eq!(text(&store, key, None), Err(ObjectErrorCode::NoSuchKey), "{key}");
        store.put("b", key, &mut key.as_bytes()).unwrap();
        assert_eq!(text(&store, key, None).as_deref(), Ok(key));
    }
    assert_eq!(text(&store, "out/secret", None), Err(ObjectErrorCode::AccessDenied));
    assert_eq!(keys(&store, ""), awkward, "links are not listed");
    assert_eq!(std::fs::read_to_string(directory.path().join("secret")).unwrap(), "s");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 2);
    let request = ListObjects { bucket: "..".into(), ..ListObjects::default() };
    assert_eq!(store.list(&request).unwrap_err().code, ObjectErrorCode::NoSuchBucket);
}

#[test]
fn what_is_no_file_is_no_object() {
    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let store = DirectoryStore::default().with_bucket("b", directory.path());
    assert!(keys(&store, "").is_empty());
    assert_eq!(text(&store, "pipe", None), Err(ObjectErrorCode::NoSuchKey), "and nobody waits");
}

/// A body that breaks in the middle.
struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        Err(std::io::Error::other("the line broke"))
    }
}

#[test]
fn a_put_that_breaks_leaves_nothing() {
    both(|store| {
        let mut body = "half".as_bytes().chain(Broken);
        assert_eq!(store.put("b", "k", &mut body).unwrap_err().code, ObjectErrorCode::InternalError);
        assert_eq!(text(store, "k", None), Err(ObjectErrorCode::NoSuchKey));
        assert!(keys(store, "").is_empty());
    });
}

#[test]
fn what_a_dead_process_left_is_in_nobodys_way() {
    let directory = tempfile::tempdir().unwrap();
    let incoming = directory.path().join(".stepwright/incoming");
    std::fs::create_dir_all(&incoming).unwrap();
    std::fs::write(incoming.join("half-written"), "half").unwrap();
    let store = DirectoryStore::default().with_bucket("b", directory.path());
    store.put("b", "k", &mut "whole".as_bytes()).unwrap();
    assert_eq!(text(&store, "k", None).unwrap(), "whole");
    assert_eq!(keys(&store, ""), ["k"]);
}

proptest! {
    #[test]
    fn both_stores_list_the_same(names in prop::collection::btree_set("[ab]{1,2}(/[ab-]{1,2}){0,2}", 0..30), prefix in "[ab]{0,2}/?") {
        let memory = MemoryStore::new();
        memory.create_bucket("b");
        let directory = tempfile::tempdir().unwrap();
        let store = DirectoryStore::default().with_bucket("b", directory.path());
        for name in &names {
            if write(directory.path(), name) {
                memory.insert("b", name, "x");
            }
        }
        prop_assert_eq!(keys(&memory, &prefix), keys(&store, &prefix));
    }
}
