use super::*;

/// Every number of a shape in a shape.
fn inner(shape: &Shape) -> Vec<usize> {
    match shape {
        Shape::List { list, .. } => vec![list.item],
        Shape::Map(map) => vec![map.value],
        Shape::Structure(structure) => structure.members.values().map(Member::shape).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn every_service_can_be_read() {
    let names: Vec<String> = names().collect();
    assert!(names.len() > 400, "only {} services", names.len());
    for name in &names {
        let service = Service::load(name).unwrap_or_else(|| panic!("{name} cannot be read"));
        assert!(!service.operations.is_empty(), "{name}");
        for operation in service.operations.values() {
            for shape in operation.input.iter().chain(&operation.output).chain(&operation.errors) {
                assert!(
                    service.structure(*shape).is_some()
                        || matches!(service.shape(*shape), Some(Shape::Document)),
                    "{name}"
                );
            }
        }
        for shape in &service.shapes {
            assert!(inner(shape).iter().all(|inner| service.shape(*inner).is_some()), "{name}");
        }
    }
}

#[test]
fn what_requests_need_is_known() {
    let s3 = Service::load("s3").unwrap();
    let (name, put) = s3.operation("putObject").unwrap();
    assert_eq!((name, &*put.method, &*put.uri), ("PutObject", "PUT", "/{Bucket}/{Key+}"));
    assert_eq!(put.checksum.as_deref(), Some("ChecksumAlgorithm"));
    let request = s3.structure(put.input.unwrap()).unwrap();
    assert_eq!(request.payload.as_deref(), Some("Body"));
    assert_eq!(request.members["ContentType"].location(), Some(Location::Header));
    assert_eq!(request.members["ContentType"].name(), Some("Content-Type"));
    assert_eq!(request.to_be_given().collect::<Vec<_>>(), ["Bucket", "Key"]);
    let sns = Service::load("sns").unwrap();
    assert_eq!((sns.about.protocol, &*sns.about.version), (Protocol::Query, "2010-03-31"));
    assert_eq!(sns.operation("publish").unwrap().1.wrapper.as_deref(), Some("PublishResult"));
    let batch = Service::load("batch").unwrap();
    let create = batch.structure(batch.operation("submitJob").unwrap().1.input.unwrap()).unwrap();
    assert_eq!(create.to_be_given().collect::<Vec<_>>(), ["jobName", "jobQueue", "jobDefinition"]);
}
