use super::*;

#[tokio::test]
async fn a_bad_file_is_copied_with_a_report() {
    let dir = tempfile::tempdir().unwrap();
    let place = |name: &str| format!("file://{}/{name}", dir.path().display());
    let drops = Write::<Drops>::at(&place("drops")).unwrap();
    let mut object = drops.create("in/tar<gets>.xlsx").unwrap();
    object.write_all(b"half a workbo").unwrap();
    let file = object.finish(None).unwrap();
    let request = QuarantineRequest {
        file: file.clone(),
        error: "Parse.Truncated".into(),
        cause: r#"{"errorType":"Parse.Truncated","errorMessage":"tar<gets>.xlsx ends at byte 13 & is cut"}"#
            .into(),
        execution_arn: "arn:aws:states:us-east-1:123456789012:execution:coreview-refdata:e-1".into(),
    };
    let ask = || async {
        let (drops, aside) = (Read::at(&place("drops")).unwrap(), Write::at(&place("quarantine")).unwrap());
        Quarantine::handle(request.clone(), drops, aside).await.unwrap()
    };
    let put = ask().await;
    let read = |object: &ObjectRef| {
        let aside = Read::<Aside>::at(&place("quarantine")).unwrap();
        std::io::read_to_string(aside.get(object).unwrap()).unwrap()
    };
    assert_eq!(read(&put.file), "half a workbo");
    let page = read(&put.report);
    for words in [
        "tar&lt;gets&gt;.xlsx could not be used",
        "ends at byte 13 &amp; is cut",
        "Export the file again",
        "Upload it under the same name, `in/tar&lt;gets&gt;.xlsx`",
        "stepwright redrive e-1",
        &file.sha256,
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    assert!(!page.contains("tar<gets>"), "{page}");
    let json: serde_json::Value = serde_json::from_str(&read(&put.report_json)).unwrap();
    assert_eq!(json["problem"], "tar<gets>.xlsx ends at byte 13 & is cut");
    assert_eq!(json["what_to_do"].as_array().unwrap().len(), 3);
    assert_eq!(ask().await, put);

    // A cause may be anything.
    let odd =
        QuarantineRequest { cause: "<script>".into(), error: "States.Timeout".into(), ..request.clone() };
    let put =
        Quarantine::handle(odd, Read::at(&place("drops")).unwrap(), Write::at(&place("quarantine")).unwrap());
    let page = read(&put.await.unwrap().report);
    assert!(page.contains("&lt;script&gt;") && page.contains("Correct the file"), "{page}");
}
