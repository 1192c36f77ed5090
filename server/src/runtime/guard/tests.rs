use std::{os::unix::process::ExitStatusExt as _, process::Command};

use super::*;

fn sleeper() -> Child {
    Command::new("/bin/sh").args(["-c", "exec sleep 600"]).process_group(0).spawn().expect("sh starts")
}

#[test]
fn closing_the_pipe_kills_the_groups_still_listed() {
    let guard = Guard::start(&Mark::of_host()).expect("guard starts");
    let (mut first, mut second, mut third) = (sleeper(), sleeper(), sleeper());
    for child in [&first, &second, &third] {
        guard.add(child.id());
    }
    guard.remove(second.id());
    drop(guard);
    assert_eq!(first.wait().expect("waited").signal(), Some(9));
    assert_eq!(third.wait().expect("waited").signal(), Some(9));
    assert!(second.try_wait().expect("asked").is_none(), "a removed group is left alone");
    second.kill().expect("killed");
    second.wait().expect("waited");
}
