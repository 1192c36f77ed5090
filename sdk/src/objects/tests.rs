use std::fs;
use std::io::{Read, Write};

use tempfile::TempDir;

use super::{Arrival, ObjectError, ObjectRef, ObjectWriter, Store};

fn bucket() -> (TempDir, Store) {
    let dir = TempDir::new().unwrap();
    let store = Store::open("staging", &format!("file://{}/bucket", dir.path().display())).unwrap();
    (dir, store)
}

fn put(store: &Store, key: &str, content: &[u8]) -> ObjectRef {
    let mut writer = store.create(key).unwrap();
    writer.write_all(content).unwrap();
    writer.finish(None).unwrap()
}

fn read(store: &Store, object: &ObjectRef) -> Vec<u8> {
    let mut content = Vec::new();
    store.get(object).unwrap().read_to_end(&mut content).unwrap();
    content
}

fn incoming_files(dir: &TempDir) -> usize {
    fs::read_dir(dir.path().join("bucket/.stepwright/incoming")).unwrap().count()
}

#[test]
fn what_is_written_is_read() {
    let (_dir, store) = bucket();
    let object = put(&store, "a/b/figures.csv", b"a,b\n1,2\n");
    assert_eq!(object.bytes, 8);
    assert_eq!(read(&store, &object), b"a,b\n1,2\n");
}

#[test]
fn the_hash_is_sha256() {
    let (_dir, store) = bucket();
    let object = put(&store, "empty", b"");
    assert_eq!(object.sha256, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_eq!(read(&store, &object), b"");
}

#[test]
fn nothing_is_visible_before_finish_and_nothing_stays_after_drop() {
    let (dir, store) = bucket();
    let mut writer = store.create("a.csv").unwrap();
    writer.write_all(&vec![7; 200_000]).unwrap();
    writer.flush().unwrap();
    assert!(!dir.path().join("bucket/a.csv").exists());
    assert_eq!(incoming_files(&dir), 1);
    drop(writer);
    assert!(!dir.path().join("bucket/a.csv").exists());
    assert_eq!(incoming_files(&dir), 0);
}

#[test]
fn the_same_content_twice_leaves_the_object_alone() {
    use std::os::unix::fs::MetadataExt;
    let (dir, store) = bucket();
    let inode = || fs::metadata(dir.path().join("bucket/a.csv")).unwrap().ino();
    let first = put(&store, "a.csv", b"one");
    let before = inode();
    assert_eq!(put(&store, "a.csv", b"one"), first);
    assert_eq!(inode(), before);
    assert_eq!(incoming_files(&dir), 0);
}

#[test]
fn other_content_under_the_key_is_noticed_by_who_holds_the_old_reference() {
    let (_dir, store) = bucket();
    let old = put(&store, "a.csv", b"one");
    let new = put(&store, "a.csv", b"two");
    assert_eq!(read(&store, &new), b"two");
    let error = store.get(&old).unwrap_err();
    assert!(matches!(error, ObjectError::Changed { .. }), "{error}");
    assert!(error.to_string().contains("`a.csv` in bucket `staging`"), "{error}");
}

#[test]
fn a_damaged_object_is_refused() {
    let (dir, store) = bucket();
    let object = put(&store, "a.csv", b"12345");
    for damaged in [&b"1234"[..], b"12346", b"123456", b""] {
        fs::write(dir.path().join("bucket/a.csv"), damaged).unwrap();
        assert!(matches!(store.get(&object), Err(ObjectError::Changed { .. })), "{damaged:?}");
    }
    fs::remove_file(dir.path().join("bucket/a.csv")).unwrap();
    let error = store.get(&object).unwrap_err();
    assert!(matches!(error, ObjectError::Missing { .. }), "{error}");
    assert!(error.to_string().contains("/bucket/a.csv"), "{error}");
}

#[test]
fn keys_are_data() {
    let (dir, store) = bucket();
    let long_segment = "x".repeat(256);
    let long_key = vec!["x".repeat(200); 6].join("/");
    let refused = [
        "",
        "/etc/passwd",
        "..",
        "../a",
        "a/../../b",
        "a/..",
        "./a",
        "a//b",
        "a/",
        "a\0b",
        "a\nb",
        "a\\b",
        &long_key,
    ];
    for key in refused {
        assert!(matches!(store.create(key), Err(ObjectError::Key { .. })), "{key:?}");
        let forged = ObjectRef {
            bucket: "staging".into(),
            key: key.into(),
            version_id: None,
            sha256: String::new(),
            bytes: 0,
            rows: None,
        };
        assert!(matches!(store.get(&forged), Err(ObjectError::Key { .. })), "{key:?}");
    }
    assert!(!dir.path().join("bucket").exists());
    for key in
        ["..a", "a..b/c...", "übersicht 2024'\"$(x).csv", "con", "-rf", ".stepwright/lock", &long_segment]
    {
        let object = put(&store, key, key.as_bytes());
        assert_eq!(read(&store, &object), key.as_bytes());
    }
}

#[test]
fn links_do_not_lead_out_of_the_bucket() {
    let (dir, store) = bucket();
    put(&store, "in.csv", b"x");
    fs::create_dir(dir.path().join("outside")).unwrap();
    fs::write(dir.path().join("outside/secret"), "x").unwrap();
    std::os::unix::fs::symlink(dir.path().join("outside"), dir.path().join("bucket/link")).unwrap();
    let object = ObjectRef { key: "link/secret".into(), ..put(&store, "in.csv", b"x") };
    assert!(matches!(store.get(&object), Err(ObjectError::Io { .. })));
    let mut writer = store.create("link/new").unwrap();
    writer.write_all(b"x").unwrap();
    assert!(writer.finish(None).is_err());
    assert!(!dir.path().join("outside/new").exists());
}

#[test]
fn another_buckets_reference_is_refused() {
    let (_dir, store) = bucket();
    let object = ObjectRef { bucket: "drops".into(), ..put(&store, "a", b"x") };
    let error = store.get(&object).unwrap_err();
    assert_eq!(
        error.to_string(),
        "object `a` is in bucket `drops`, but bucket `staging` was asked for it; pass the handle of `drops` to the step"
    );
}

#[test]
fn a_prefix_may_be_an_object_as_in_s3() {
    let (_dir, store) = bucket();
    let object = put(&store, "a", b"x");
    let below = ObjectRef { key: "a/b".into(), ..object.clone() };
    assert!(matches!(store.get(&below), Err(ObjectError::Missing { .. })));
    let below = put(&store, "a/b", b"y");
    assert_eq!(read(&store, &below), b"y");
    assert_eq!(read(&store, &object), b"x");
}

#[test]
fn locations_are_checked() {
    for location in ["", "/tmp/x", "file://relative", "ftp://x/y", "file://"] {
        let error = Store::open("staging", location).unwrap_err();
        assert!(error.to_string().contains("file:///absolute/dir"), "{error}");
    }
}

#[test]
fn a_reference_is_small_json() {
    let (_dir, store) = bucket();
    let object = put(&store, "a", b"x");
    let json = serde_json::to_value(&object).unwrap();
    assert_eq!(
        json,
        serde_json::json!({
            "bucket": "staging", "key": "a", "bytes": 1,
            "sha256": "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
        })
    );
    assert_eq!(serde_json::from_value::<ObjectRef>(json).unwrap(), object);
}

#[test]
fn an_arrival_becomes_a_reference() {
    let (_dir, store) = bucket();
    let object = put(&store, "in/a.csv", b"a\n1\n");
    let told = |bytes, sha256: Option<&str>| Arrival {
        bucket: "staging".into(),
        key: "in/a.csv".into(),
        version_id: None,
        sha256: sha256.map(str::to_owned),
        bytes,
    };
    assert_eq!(store.find("in/a.csv", None).unwrap().as_ref(), Some(&object));
    assert_eq!(store.find("in/b.csv", None).unwrap(), None);
    assert_eq!(store.arrived(&told(None, None)).unwrap(), object);
    assert_eq!(store.arrived(&told(Some(4), None)).unwrap(), object);
    assert_eq!(store.arrived(&object.clone().into()).unwrap(), object);
    let missing = Arrival { key: "in/b.csv".into(), ..told(None, None) };
    assert!(matches!(store.arrived(&missing).unwrap_err(), ObjectError::Missing { .. }));
    let elsewhere = Arrival { bucket: "drops".into(), ..told(None, None) };
    assert!(matches!(store.arrived(&elsewhere).unwrap_err(), ObjectError::OtherBucket { .. }));
    for other in [told(Some(5), None), told(None, Some("00"))] {
        assert!(matches!(store.arrived(&other).unwrap_err(), ObjectError::Changed { .. }));
    }
    let way_out = Arrival { key: "../a.csv".into(), ..told(None, None) };
    assert!(matches!(store.arrived(&way_out).unwrap_err(), ObjectError::Key { .. }));
}

#[test]
fn of_several_writers_one_is_first() {
    let (dir, store) = bucket();
    assert!(store.look("a/manifest.json").unwrap().is_none());
    let write = |content: &[u8]| {
        let mut writer = store.create("a/manifest.json").unwrap();
        writer.write_all(content).unwrap();
        writer
    };
    let writers: Vec<_> = (0..8_u8).map(|number| (number, write(&[number]))).collect();
    let firsts: Vec<(u8, ObjectRef)> = std::thread::scope(|scope| {
        let finish = |(number, writer): (u8, ObjectWriter)| {
            scope.spawn(move || (number, writer.finish_first(Some(1)).unwrap()))
        };
        let finished: Vec<_> = writers.into_iter().map(finish).collect();
        let ends = finished.into_iter().map(|finished| finished.join().unwrap());
        ends.filter_map(|(number, object)| Some((number, object?))).collect()
    });
    let [(number, object)] = &firsts[..] else { panic!("{firsts:?}") };
    assert_eq!((read(&store, object), object.rows), (vec![*number], Some(1)));
    let mut looked = Vec::new();
    store.look("a/manifest.json").unwrap().unwrap().read_to_end(&mut looked).unwrap();
    assert_eq!(looked, [*number]);
    assert!(write(&[*number]).finish_first(None).unwrap().is_none(), "also with the same content");
    assert_eq!(incoming_files(&dir), 0);
    assert!(matches!(store.look("../a"), Err(ObjectError::Key { .. })));
    assert_eq!(store.directory(), Some(&*dir.path().join("bucket")));
}
