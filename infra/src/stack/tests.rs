use serde_json::Value;

use super::*;
use crate::{review, sample};

fn template_of(manifest: &Manifest, environment: &Environment) -> Result<Template, SynthesisError> {
    let asset = |hash: &str| Asset { object_key: format!("{hash}.zip"), path: format!("assets/{hash}.zip") };
    let assets =
        BTreeMap::from([("step-parse".to_owned(), asset("aaaa")), ("step-post".to_owned(), asset("bbbb"))]);
    template(manifest, environment, Architecture::Arm64, &assets)
}

fn json(template: &Template) -> Value {
    serde_json::from_slice(&template.to_json().unwrap()).unwrap()
}

#[test]
fn the_template_of_two_steps() {
    let template = template_of(&sample::manifest(), &Environment::default()).unwrap();
    insta::assert_snapshot!("template", String::from_utf8(template.to_json().unwrap()).unwrap());
}

#[test]
fn what_starts_a_workflow_is_part_of_the_template() {
    let template = json(&template_of(&sample::triggered(), &Environment::default()).unwrap());
    let plain = json(&template_of(&sample::manifest(), &Environment::default()).unwrap());
    let resources = template["Resources"].as_object().unwrap().iter();
    let more: serde_json::Map<String, Value> = resources
        .filter(|(id, resource)| plain["Resources"].get(id.as_str()) != Some(resource))
        .map(|(id, resource)| {
            let fields = ["Type", "Properties", "DeletionPolicy"];
            let shown = fields.map(|field| (field.to_owned(), resource[field].clone()));
            (id.clone(), Value::Object(shown.into_iter().collect()))
        })
        .collect();
    insta::assert_json_snapshot!("triggers", more);
}

#[test]
fn policies_hold_the_grants_and_nothing_else() {
    let template = json(&template_of(&sample::manifest(), &Environment::default()).unwrap());
    let policies: serde_json::Map<String, Value> = template["Resources"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(_, resource)| resource["Type"] == "AWS::IAM::Role")
        .map(|(id, role)| {
            (id.clone(), role["Properties"]["Policies"][0]["PolicyDocument"]["Statement"].clone())
        })
        .collect();
    insta::assert_json_snapshot!("policies", policies);
}

#[test]
fn the_definition_is_the_exact_text() {
    let manifest = sample::manifest();
    let template = json(&template_of(&manifest, &Environment::default()).unwrap());
    let properties = &template["Resources"]["OrderIntakeStateMachine"]["Properties"];
    assert_eq!(properties["DefinitionString"], manifest.workflows[0].definition);
}

#[test]
fn of_two_grants_on_one_bucket_the_stronger_counts() {
    let mut manifest = sample::manifest();
    let read = manifest.functions[0].grants[1].clone();
    manifest.functions[0].grants = vec![read.clone(), manifest::Grant { access: Access::Read, ..read }];
    let template = json(&template_of(&manifest, &Environment::default()).unwrap());
    let statements = &template["Resources"]["ParseFunctionRole"]["Properties"]["Policies"][0]["PolicyDocument"]
        ["Statement"];
    let sids: Vec<_> = statements.as_array().unwrap().iter().map(|s| s["Sid"].as_str().unwrap()).collect();
    assert_eq!(sids, ["Log", "Trace", "Write"]);
}

#[test]
fn who_looks_for_what_may_not_be_there_may_list_the_bucket() {
    let mut manifest = sample::manifest();
    let write = manifest.functions[0].grants[1].clone();
    manifest.functions[0].grants = vec![manifest::Grant { access: Access::Exchange, ..write.clone() }];
    manifest.functions[1].grants = vec![manifest::Grant { access: Access::Look, ..write }];
    let template = json(&template_of(&manifest, &Environment::default()).unwrap());
    for (role, sids) in [
        ("ParseFunctionRole", ["Log", "Trace", "Write", "Look"]),
        ("PostFunctionRole", ["Log", "Trace", "Read", "Look"]),
    ] {
        let statements =
            &template["Resources"][role]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"];
        let statements = statements.as_array().unwrap();
        assert_eq!(statements.iter().map(|s| s["Sid"].as_str().unwrap()).collect::<Vec<_>>(), sids);
        let bucket = serde_json::json!({ "Fn::GetAtt": ["StagingBucket", "Arn"] });
        let (action, resource) = (&statements[3]["Action"], &statements[3]["Resource"]);
        assert_eq!((&action[0], &resource[0]), (&"s3:ListBucket".into(), &bucket));
    }
}

#[test]
fn settings_reach_the_template() {
    let environment = Environment {
        stack: Some("Blue".to_owned()),
        qualifier: "localhost".to_owned(),
        log_retention: crate::environment::LogRetention::days(90).unwrap(),
        tags: BTreeMap::from([("team".to_owned(), "finance".to_owned())]),
        ..Environment::default()
    };
    let template = json(&template_of(&sample::manifest(), &environment).unwrap());
    let function = &template["Resources"]["ParseFunction"];
    assert_eq!(function["Metadata"]["aws:cdk:path"], "Blue/parse/Function/Resource");
    assert_eq!(
        function["Properties"]["Code"]["S3Bucket"]["Fn::Sub"],
        "cdk-localhost-assets-${AWS::AccountId}-${AWS::Region}"
    );
    assert_eq!(function["Properties"]["Tags"][0]["Key"], "team");
    assert_eq!(template["Resources"]["ParseFunctionLogs"]["Properties"]["RetentionInDays"], 90);
}

#[test]
fn names_that_become_one_id_are_told() {
    let mut manifest = sample::manifest();
    manifest.buckets = vec!["a-1".to_owned(), "a1".to_owned()];
    let message = template_of(&manifest, &Environment::default()).unwrap_err().to_string();
    assert!(
        message.contains("`a-1/Bucket` and `a1/Bucket` both become the logical id `A1Bucket`"),
        "{message}"
    );
}

#[test]
fn a_workflow_and_a_step_may_share_a_name() {
    let mut manifest = sample::manifest();
    manifest.workflows[0].name = "parse".to_owned();
    let template = template_of(&manifest, &Environment::default());
    assert_eq!(review::review(&template.unwrap()), []);
}
