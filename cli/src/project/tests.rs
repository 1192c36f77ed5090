use serde_json::json;

use super::*;

fn metadata(app: &Value) -> Vec<u8> {
    let package = |name: &str, dir: &str, bins: &[&str], needs: &[&str]| {
        json!({
            "name": name,
            "manifest_path": format!("/p/{dir}/Cargo.toml"),
            "targets": bins.iter().map(|bin| json!({ "name": bin, "kind": ["bin"] })).collect::<Vec<_>>(),
            "dependencies": needs.iter().map(|need| json!({ "path": format!("/p/{need}"), "kind": null })).collect::<Vec<_>>(),
        })
    };
    json!({
        "workspace_root": "/p",
        "metadata": { "stepwright": { "app": app } },
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
