//! Running the command in tests: arguments in; exit code, stdout and stderr out.
// Each test file uses a part of this.
#![allow(dead_code)]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// What a command did.
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

pub(crate) fn jeoul(arguments: &[&str]) -> Done {
    done(&command(arguments).output().expect("the command starts"))
}

pub(crate) fn done(output: &Output) -> Done {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("the command prints UTF-8");
    Done {
        code: output.status.code(),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
    }
}

pub(crate) fn with_stdin(arguments: &[&str], stdin: &str) -> Done {
    let mut child = command(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let mut pipe = child.stdin.take().expect("a pipe");
    pipe.write_all(stdin.as_bytes()).expect("the command reads");
    drop(pipe);
    done(&child.wait_with_output().expect("the command ends"))
}

pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jeoul"));
    command
        .args(arguments)
        .current_dir(root())
        .env("NO_COLOR", "1");
    command
}

pub(crate) fn root() -> PathBuf {
    PathBuf::from("../..")
}

/// An empty folder of this test's own.
pub(crate) fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("the target folder can be written");
    folder
}

pub(crate) fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("stdout is JSON")
}

pub(crate) const TINY: &str = "models/tiny.gguf";
