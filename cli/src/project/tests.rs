use serde_json::json;

use super::*;

fn metadata(app: &Value) -> Vec<u8> {
    let package = |name: &str, dir: &str, bins: &[&str], needs: &[&str]| {
        json!({
            "id": format!("path+file:///p/{dir}#{name}@0.1.0"),
            "name": name,
            "manifest_path": format!("/p/{dir}/Cargo.toml"),
            "targets": bins.iter().map(|bin| json!({ "name": bin, "kind": ["bin"] })).collect::<Vec<_>>(),
            "dependencies": needs.iter().map(|need| json!({ "path": format!("/p/{need}"), "kind": null })).collect::<Vec<_>>(),
        })
    };
    json!({
        "workspace_root": "/p",
        "metadata": { "stepwright": { "app": app } },
        "workspace_default_members": [
            "path+file:///p/workflows#orders@0.1.0",
            "path+file:///p/steps/parse#orders-parse@0.1.0",
            "path+file:///p/steps/post#orders-post@0.1.0",
            "path+file:///p/tool#tool@0.1.0",
        ],
        "packages": [
            package("orders", "workflows", &["app"], &["sdk", "steps/parse", "steps/post"]),
            package("sdk", "sdk", &[], &[]),
            package("orders-parse", "steps/parse", &["step-parse"], &["sdk"]),
            package("orders-post", "steps/post", &["step-post"], &["sdk"]),
            package("tool", "tool", &["tool"], &["workflows"]),
        ],
    })
    .to_string()
    .into_bytes()
}

#[test]
fn the_steps_are_the_applications_direct_dependencies_with_a_binary() {
    let project = Project::from_metadata(&metadata(&json!("orders"))).expect("a project");
    assert_eq!(project.app.binaries, ["app"]);
    assert_eq!(project.app.dir, Path::new("/p/workflows"));
    let names: Vec<&str> = project.steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(names, ["orders-parse", "orders-post"]);
}

#[test]
fn what_the_application_is_made_of_is_found_through_its_dependencies() {
    let project = Project::from_metadata(&metadata(&json!("orders"))).expect("a project");
    let expected = ["/p/sdk", "/p/steps/parse", "/p/steps/post", "/p/workflows"].map(PathBuf::from);
    assert_eq!(project.needed, BTreeSet::from(expected));
}

#[test]
fn the_default_members_are_built_together_unless_it_is_for_deployment() {
    let mut project = Project::from_metadata(&metadata(&json!("orders"))).expect("a project");
    let together = ["orders", "orders-parse", "orders-post", "tool"];
    assert_eq!(project.packages(DEFAULT_PROFILE, true), together);
    assert_eq!(project.packages(DEFAULT_PROFILE, false), together);
    assert_eq!(project.packages("lambda", true), ["orders-parse", "orders-post", "orders"]);
    assert_eq!(project.packages("lambda", false), ["orders"]);
    project.default_members.remove("orders-post");
    assert_eq!(project.packages(DEFAULT_PROFILE, true), ["orders-parse", "orders-post", "orders"]);
}

#[test]
fn a_project_without_an_application_says_what_to_add() {
    assert!(matches!(Project::from_metadata(&metadata(&Value::Null)), Err(Problem::NoApp { .. })));
    assert!(matches!(Project::from_metadata(&metadata(&json!("sdk"))), Err(Problem::AppPackage { .. })));
    assert!(matches!(Project::from_metadata(&metadata(&json!("gone"))), Err(Problem::AppPackage { .. })));
}

#[test]
fn executables_are_read_from_cargos_messages() {
    let line = json!({ "reason": "compiler-artifact", "target": { "name": "app" }, "executable": "/t/app" });
    assert_eq!(executable(&line.to_string()), Some(("app".to_owned(), PathBuf::from("/t/app"))));
    let library = json!({ "reason": "compiler-artifact", "target": { "name": "lib" }, "executable": null });
    assert_eq!(executable(&library.to_string()), None);
    assert_eq!(executable("not json"), None);
}
