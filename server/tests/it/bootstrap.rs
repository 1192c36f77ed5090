//! The bootstrap under test: one function per `_HANDLER`.

use std::{
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::{Value, json};

/// Not a test: what [`script`] runs.
#[test]
fn serve() {
    let Ok(handler) = std::env::var("_HANDLER") else { return };
    // The test harness has begun a line.
    println!();
    match handler.as_str() {
        "exits-at-start" => std::process::exit(7),
        "never-ready" => std::thread::park(),
        "hangs-up" => return hang_up(),
        _ => {}
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("tokio starts");
    let end = runtime.block_on(lambda_runtime::run(service_fn(answer)));
    // A lost connection ends the runtime client with an error, and us with it.
    std::process::exit(i32::from(end.is_err()) * 70);
}

/// Asks for work and leaves before it can come.
fn hang_up() {
    let api = std::env::var("AWS_LAMBDA_RUNTIME_API").expect("the address");
    let mut connection = std::net::TcpStream::connect(&api).expect("connects");
    let request = format!("GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: {api}\r\n\r\n");
    connection.write_all(request.as_bytes()).expect("asks");
    std::process::exit(0);
}

static CALLS: AtomicU32 = AtomicU32::new(0);

async fn answer(event: LambdaEvent<Value>) -> Result<Value, Diagnostic> {
    let call = CALLS.fetch_add(1, Ordering::SeqCst) + 1;
    match std::env::var("_HANDLER").unwrap_or_default().as_str() {
        "echo" => Ok(json!({ "echo": event.payload, "pid": std::process::id(), "call": call })),
        "environment" => Ok(json!(std::env::vars().collect::<std::collections::BTreeMap<_, _>>())),
        "fails" => Err(Diagnostic {
            error_type: "ParseError.Malformed".to_owned(),
            error_message: "feed.csv:3: no column `amount`".to_owned(),
        }),
        "exits" => {
            eprintln!("last words");
            std::process::exit(3)
        }
        "aborts" => std::process::abort(),
        "hangs" => {
            let child = std::process::Command::new("/bin/sleep").arg("600").spawn().expect("sleep starts");
            eprintln!("hanging pid={} child={}", std::process::id(), child.id());
            std::future::pending().await
        }
        "until" => {
            let awaited = std::path::PathBuf::from(event.payload["file"].as_str().expect("a path"));
            while !awaited.exists() {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            Ok(json!(std::env::var("ONLY_HERE").unwrap_or_default()))
        }
        "context" => {
            let context = event.context;
            let said = event.payload["say"].as_str().unwrap_or_default();
            writeln!(std::io::stdout(), "said {said}").expect("standard output");
            Ok(json!({
                "arn": context.invoked_function_arn,
                "trace": context.xray_trace_id,
                "requestId": context.request_id,
                "deadline": context.deadline,
                "client": context.client_context,
                "folder": std::env::current_dir().expect("a folder"),
            }))
        }
        "allocates" => {
            let mebibytes = usize::try_from(event.payload["mib"].as_u64().expect("mib")).expect("small");
            let taken = std::hint::black_box(vec![1_u8; mebibytes << 20]);
            if event.payload["holds"] == true {
                std::future::pending::<()>().await;
            }
            Ok(json!(taken.len()))
        }
        "sized" => {
            let bytes = usize::try_from(event.payload["bytes"].as_u64().expect("bytes")).expect("small");
            Ok(json!("x".repeat(bytes)))
        }
        other => panic!("no handler {other}"),
    }
}

/// A program that is this bootstrap.
pub(crate) fn script(dir: &Path) -> PathBuf {
    let exe = std::env::current_exe().expect("own path");
    let call = format!("exec '{}' --exact bootstrap::serve --nocapture --test-threads=1\n", exe.display());
    program(dir, &format!("#!/bin/sh\n{call}"))
}

/// A bootstrap of this text.
pub(crate) fn program(dir: &Path, text: &str) -> PathBuf {
    let path = dir.join("bootstrap");
    // In the place of one that may be about to run.
    let new = dir.join("bootstrap.new");
    std::fs::write(&new, text).expect("script written");
    std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o755)).expect("script executable");
    std::fs::rename(&new, &path).expect("script in its place");
    path
}
