//! Every command of README.md and docs/ is run here, as it stands there.

use std::process::{Command, Stdio};
use std::time::Duration;

use e2e::cluster::{voipctl, workspace};
use e2e::process::Process;
use rustix::process::Signal;

/// The lines of the `sh` blocks of a page.
fn commands(page: &str) -> Vec<String> {
    let text = std::fs::read_to_string(workspace().join(page)).expect("the page is in the workspace");
    let mut commands = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        match line.trim() {
            "```sh" => inside = true,
            "```" => inside = false,
            command if inside && !command.is_empty() && !command.starts_with('#') => {
                commands.push(command.to_owned());
            }
            _ => {}
        }
    }
    commands
}

fn pages() -> Vec<String> {
    let docs = std::fs::read_dir(workspace().join("docs")).expect("docs/ is in the workspace").flatten();
    let names = docs.filter_map(|entry| entry.file_name().into_string().ok());
    let pages = names.filter(|name| name.rsplit('.').next() == Some("md")).map(|name| format!("docs/{name}"));
    pages.chain(["README.md".into()]).collect()
}

/// Ends `up` whatever happens.
struct Ended(std::process::Child);

impl Drop for Ended {
    fn drop(&mut self) {
        Process(self.0.id()).signal(Signal::INT);
        for _ in 0..500 {
            if self.0.try_wait().ok().flatten().is_some() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[test]
fn every_command_of_the_docs_works() {
    const UP: &str = "cargo run --release -p voipctl -- up ";
    let state = std::env::temp_dir().join(format!("voip-e2e-readme-{}", std::process::id()));
    let path =
        format!("{}:{}", voipctl().parent().unwrap().display(), std::env::var("PATH").unwrap_or_default());
    let shell = |command: &str| {
        let mut shell = Command::new("bash");
        // The default state directory is below the home of the user: the test has a home of its own.
        shell.args(["-c", command]).current_dir(workspace()).env("PATH", &path).env("HOME", &state);
        shell.env_remove("XDG_STATE_HOME").stdin(Stdio::null());
        shell
    };
    let mut up = None;
    let mut run = 0;
    for page in pages() {
        for command in commands(&page) {
            run += 1;
            match command.as_str() {
                // What runs this test, and what CI runs before it.
                "cargo xtask test" | "cargo xtask lint" => {
                    assert!(std::env::var("CARGO").is_ok(), "cargo runs us");
                }
                // The path of the release build: this test has the path of its own build.
                "export PATH=\"$PWD/target/release:$PATH\"" => {}
                // The same sources, built as the tests are.
                start if start.starts_with(UP) => {
                    assert!(up.is_none(), "{page} starts up twice");
                    let command = format!("exec voipctl up {}", &start[UP.len()..]);
                    let child = shell(&command).stdout(Stdio::null()).spawn().expect("bash starts");
                    up = Some(Ended(child));
                }
                other => {
                    let output = shell(other).output().expect("bash starts");
                    assert!(
                        output.status.success(),
                        "{page}: `{other}`: {}\n{}",
                        output.status,
                        String::from_utf8_lossy(&output.stderr)
                    );
                    assert!(!output.stdout.is_empty(), "{page}: `{other}` prints nothing");
                }
            }
        }
    }
    assert!(run >= 8, "the README shows commands: {run}");
    drop(up);
    std::fs::remove_dir_all(&state).ok();
}
