use super::*;

fn parsed(line: &str) -> Result<Command, UsageError> {
    let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    parse(&words)
}

#[test]
fn commands_are_understood() {
    assert_eq!(parsed(""), Ok(Command::Help));
    assert_eq!(parsed("manifest"), Ok(Command::Manifest));
    let out = Synth { out: "o".into(), ..Synth::default() };
    assert_eq!(parsed("synth --out o"), Ok(Command::Synth(out.clone())));
    let all = Synth {
        binaries: Some("b".into()),
        architecture: Some(Architecture::Arm64),
        qualifier: Some("q".to_owned()),
        stack: Some("s".to_owned()),
        ..out
    };
    assert_eq!(
        parsed("synth --binaries=b --architecture arm64 --qualifier q --stack=s --out=o"),
        Ok(Command::Synth(all))
    );
    assert_eq!(parsed("synth --help"), Ok(Command::Help));
}

#[test]
fn what_is_not_understood_is_named() {
    let told = |line| parsed(line).unwrap_err().to_string();
    assert_eq!(told("deploy"), "unknown command `deploy`: `manifest` or `synth`");
    assert_eq!(told("manifest --pretty"), "unknown option `--pretty`");
    assert_eq!(told("synth"), "`synth` needs `--out DIR`");
    assert_eq!(told("synth --out"), "`--out` needs a value");
    assert_eq!(told("synth --out o --colour red"), "unknown option `--colour`");
    assert!(told("synth --out o --architecture mips").contains("`arm64` or `x86_64`"));
}
