//! `up.json`: how commands in other terminals find the `up` that runs on a state directory.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::{StateDir, StateError, read_optional, write_atomically};

/// What runs. Written once everything is ready, removed at the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RunFile {
    /// The process of `up`.
    pub(crate) pid: i32,
    /// `namespace/name` of the VoipCluster.
    pub(crate) cluster: String,
    /// Where phones register.
    pub(crate) sip: SocketAddr,
    /// Host part of addresses of record.
    pub(crate) domain: String,
    /// Address of the media-nodes.
    pub(crate) media_address: IpAddr,
    /// sip-node's HTTP server.
    pub(crate) http: SocketAddr,
    /// The users by name.
    pub(crate) users: Vec<RunUser>,
}

/// A user and where its password is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RunUser {
    /// Digest user name.
    pub(crate) username: String,
    /// `Secret namespace/name` or the file of generated passwords.
    pub(crate) password_from: String,
}

impl StateDir {
    /// Tells other commands what runs.
    pub(crate) fn write_run_file(&self, run: &RunFile) -> Result<(), StateError> {
        write_atomically(&self.run_file(), &serde_json::to_vec_pretty(run).unwrap_or_default())
    }

    /// Forgets what ran; no error when nothing did.
    pub(crate) fn remove_run_file(&self) {
        // Whoever reads a file left behind asks the lock first, so a failure misleads nobody.
        let _ = std::fs::remove_file(self.run_file());
    }

    /// What runs on this directory. [`StateError::NotRunning`] also while `up` is still starting.
    pub(crate) fn read_run_file(&self) -> Result<RunFile, StateError> {
        let not_running = || StateError::NotRunning { path: self.root().to_owned() };
        let pid = self.running().ok_or_else(not_running)?;
        let path = self.run_file();
        let content = read_optional(&path)?.ok_or_else(not_running)?;
        let run: RunFile = serde_json::from_slice(&content).map_err(|error| StateError::Damaged {
            path,
            reason: error.to_string(),
            mend: "restart up",
        })?;
        // A file that a killed `up` left behind, read while the next one starts.
        if run.pid == pid { Ok(run) } else { Err(not_running()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_left_behind_by_a_killed_up_is_not_believed() {
        let directory = tempfile::tempdir().unwrap();
        let state = StateDir::new(Some(directory.path().to_owned())).unwrap();
        let run = RunFile {
            pid: 1,
            cluster: "default/office".into(),
            sip: ([127, 0, 0, 1], 5060).into(),
            domain: "127.0.0.1".into(),
            media_address: [127, 0, 0, 1].into(),
            http: ([127, 0, 0, 1], 1).into(),
            users: Vec::new(),
        };
        state.write_run_file(&run).unwrap();
        let error = state.read_run_file().unwrap_err();
        assert_eq!(error.to_string(), format!("no up runs on {}", directory.path().display()));
        state.remove_run_file();
        state.remove_run_file();
    }
}
