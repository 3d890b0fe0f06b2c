//! How a command ends when it does not succeed: one message and an exit code.
//!
//! It must not know the commands; every module has its own error type and says here only which class it is.

use std::fmt::Display;
use std::process::ExitCode;

/// A command that did not succeed.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    /// What was given cannot be done: bad arguments, a bad file, a taken port, nothing that runs. Exit code 2.
    pub(crate) fn input(error: impl Display) -> Self {
        Self { code: 2, message: error.to_string() }
    }

    /// It was tried and did not work. Exit code 1.
    pub(crate) fn failed(error: impl Display) -> Self {
        Self { code: 1, message: error.to_string() }
    }

    /// The exit code of the program.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }
}
