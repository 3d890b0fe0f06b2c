//! Looks at processes through /proc.

use std::fs;
use std::path::Path;

/// Process ids of the programs that were started for `state`: it is among their arguments.
pub(crate) fn children_of_executable(state: &Path) -> Vec<u32> {
    let mark = state.to_str().unwrap();
    running(|arguments| arguments.starts_with("run ") && arguments.contains(mark))
}

/// Process id of the program with this name, started for `state`.
pub(crate) fn program(state: &Path, name: &str) -> Option<u32> {
    let mark = state.to_str().unwrap();
    running(|arguments| arguments.starts_with("run ") && arguments.contains(mark) && arguments.contains(name))
        .pop()
}

/// Process ids of commands of ours that work on `state`, whose arguments begin as given.
pub(crate) fn with_arguments(state: &Path, beginning: &str) -> Vec<u32> {
    let mark = state.to_str().unwrap();
    running(|arguments| arguments.starts_with(beginning) && arguments.contains(mark))
}

/// Processes whose arguments, without the first, are as wanted. A zombie has none.
fn running(wanted: impl Fn(&str) -> bool) -> Vec<u32> {
    let entries = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid: &u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        line.split_once(' ').is_some_and(|(_, arguments)| wanted(arguments))
    })
    .collect()
}
