//! The process table with `sh` as the program.

use std::future::pending;
use std::path::Path;
use std::time::Duration;

use tokio::time::timeout;

use super::*;

fn shell(directory: &Path, name: &str, script: &str) -> Program {
    Program {
        name: name.to_owned(),
        executable: "/bin/sh".into(),
        arguments: vec!["-c".into(), script.into()],
        log: directory.join(format!("{name}.log")),
    }
}

async fn next(supervisor: &mut Supervisor) -> Event {
    timeout(Duration::from_secs(10), supervisor.next()).await.expect("an event within 10 s")
}

/// Waits until the program has written `count` lines.
async fn lines(directory: &Path, name: &str, count: usize) -> Vec<String> {
    let path = directory.join(format!("{name}.log"));
    for _ in 0..1_000 {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        if text.lines().count() >= count {
            return text.lines().map(str::to_owned).collect();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{name} did not write {count} lines");
}

fn alive(pid: &str) -> bool {
    Path::new("/proc").join(pid).exists()
}

#[tokio::test]
async fn a_program_that_dies_is_started_again_and_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let mut supervisor = Supervisor::new();
    supervisor.keep(shell(directory.path(), "a", "echo run; echo 'error: no room'; echo; exit 7")).unwrap();
    let Event::Ended { name, how, last_words, pause } = next(&mut supervisor).await else {
        panic!("ended first")
    };
    assert_eq!((name.as_str(), how.to_string().as_str()), ("a", "exit code 7"));
    assert_eq!(last_words.as_deref(), Some("no room"));
    assert_eq!(pause, Duration::from_millis(100));
    assert!(matches!(next(&mut supervisor).await, Event::Restarted { .. }));
    assert!(matches!(next(&mut supervisor).await, Event::Ended { .. }));
    supervisor.stop("none", pending()).await;
}

#[tokio::test]
async fn a_signal_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let mut supervisor = Supervisor::new();
    supervisor.keep(shell(directory.path(), "a", "kill -9 $$")).unwrap();
    let Event::Ended { how, .. } = next(&mut supervisor).await else { panic!("ended first") };
    assert_eq!(how.to_string(), "signal 9, SIGKILL");
    supervisor.stop("none", pending()).await;
}

#[tokio::test]
async fn what_cannot_be_executed_is_an_error_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let program = Program { executable: "/nowhere/at/all".into(), ..shell(directory.path(), "a", "") };
    let error = Supervisor::new().keep(program).unwrap_err().to_string();
    assert!(error.starts_with("cannot start a: "), "{error}");
}

#[tokio::test]
async fn the_first_has_ended_before_the_others_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let order = directory.path().join("order");
    let script = |name: &str| {
        format!(
            "trap 'echo {name} >> {}; exit 0' TERM; echo $$; while :; do sleep 0.05; done",
            order.display()
        )
    };
    let mut supervisor = Supervisor::new();
    supervisor.keep(shell(directory.path(), "other", &script("other"))).unwrap();
    supervisor.keep(shell(directory.path(), "first", &script("first"))).unwrap();
    lines(directory.path(), "other", 1).await;
    lines(directory.path(), "first", 1).await;
    supervisor.stop("first", pending()).await;
    assert_eq!(std::fs::read_to_string(order).unwrap(), "first\nother\n");
}

#[tokio::test]
async fn whoever_ignores_sigterm_is_killed_within_five_seconds() {
    let directory = tempfile::tempdir().unwrap();
    let mut supervisor = Supervisor::new();
    supervisor
        .keep(shell(directory.path(), "deaf", "trap '' TERM; echo $$; while :; do sleep 0.05; done"))
        .unwrap();
    let pid = lines(directory.path(), "deaf", 1).await.remove(0);
    timeout(Duration::from_secs(5), supervisor.stop("none", pending())).await.unwrap();
    assert!(!alive(&pid));
}

#[tokio::test]
async fn hurry_kills_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let mut supervisor = Supervisor::new();
    supervisor
        .keep(shell(directory.path(), "deaf", "trap '' TERM; echo $$; while :; do sleep 0.05; done"))
        .unwrap();
    let pid = lines(directory.path(), "deaf", 1).await.remove(0);
    timeout(Duration::from_secs(2), supervisor.stop("none", async {})).await.unwrap();
    assert!(!alive(&pid));
}

#[tokio::test]
async fn the_standard_input_of_a_program_stays_open_while_it_runs() {
    let directory = tempfile::tempdir().unwrap();
    let mut supervisor = Supervisor::new();
    supervisor.keep(shell(directory.path(), "reader", "echo up; cat; echo 'input ended'")).unwrap();
    lines(directory.path(), "reader", 1).await;
    let early = timeout(Duration::from_millis(300), supervisor.next()).await;
    assert!(early.is_err(), "{early:?}");
    supervisor.stop("none", pending()).await;
}
