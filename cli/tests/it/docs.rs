//! The page on definitions without a project: its files are written, its commands run, and what
//! they print is what the page shows.

use std::fmt::Write as _;
use std::process::Command;

/// The parts of the page between fences: what stands behind the first one, and the text.
fn fenced(page: &str) -> Vec<(String, String)> {
    let mut parts = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(kind) = line.strip_prefix("```") {
            let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            parts.push((kind.to_owned(), body.join("\n")));
        }
    }
    parts
}

#[test]
fn the_page_on_definitions_of_your_own_shows_what_happens() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/asl.md");
    let page = std::fs::read_to_string(path).expect("the page");
    let dir = tempfile::tempdir().expect("temp dir");
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_stepwright"));
    let programs = program.parent().expect("a folder").display().to_string();
    let search = format!("{programs}:{}", std::env::var("PATH").expect("PATH"));
    let mut commands = 0;
    for (kind, body) in fenced(&page) {
        if let Some(file) = kind.strip_prefix("json ") {
            std::fs::write(dir.path().join(file), format!("{body}\n")).expect("written");
        }
        if kind != "console" {
            continue;
        }
        let mut shown = String::new();
        for command in body.lines().filter_map(|line| line.strip_prefix("$ ")) {
            let mut shell = Command::new("/bin/sh");
            shell.args(["-c", &format!("{command} 2>&1")]).current_dir(dir.path());
            let output = shell
                .env("PATH", &search)
                .env("NO_COLOR", "1")
                .env_remove("COLUMNS")
                .output()
                .expect("a shell");
            let printed = String::from_utf8(output.stdout).expect("text");
            writeln!(shown, "$ {command}")
                .and_then(|()| shown.write_str(&printed))
                .expect("a text takes all");
            commands += 1;
        }
        assert_eq!(body.trim_end(), shown.trim_end(), "the page is to show:\n{shown}");
    }
    assert!(commands >= 8, "{commands} commands");
}
