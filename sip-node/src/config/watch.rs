//! Looks at the config directory once a second and hands on documents that changed and can run.
//!
//! By content, not by file events: a `ConfigMap` is swapped by symlinks, some file systems send no events, and a second
//! is soon enough.

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::watch;
use tracing::{info, warn};
use voip_contract::config::Listener;

use super::content::Content;
use super::load::Loaded;

/// Time between two looks.
const INTERVAL: Duration = Duration::from_secs(1);

/// What is on disk, beside what runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ConfigState {
    /// Why the documents on disk are not the ones that run; empty when they are.
    pub(crate) rejected: Vec<String>,
    /// How often documents were taken over after the start.
    pub(crate) reloads: u64,
    /// How often documents were found that cannot run.
    pub(crate) rejections: u64,
}

/// What was last seen in the config directory.
#[derive(Debug)]
pub(crate) struct Watch {
    directory: PathBuf,
    seen: Content,
    /// The listeners that are open: they stay as they were at start.
    open: Vec<Listener>,
    state: watch::Sender<ConfigState>,
}

impl Watch {
    /// Begins where `loaded` was read.
    pub(crate) fn new(directory: PathBuf, loaded: &Loaded) -> Self {
        let open = loaded.documents.sip.listeners.clone();
        let state = watch::Sender::new(ConfigState::default());
        Self { directory, seen: loaded.content.clone(), open, state }
    }

    /// Follows the state.
    pub(crate) fn state(&self) -> watch::Receiver<ConfigState> {
        self.state.subscribe()
    }

    /// Looks once a second for ever; `apply` gets each set of documents that changed and can run.
    pub(crate) async fn run(mut self, apply: impl AsyncFn(Loaded)) {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let directory = self.directory.clone();
            let Ok(content) = tokio::task::spawn_blocking(move || Content::read(&directory)).await else {
                continue;
            };
            if let Some(loaded) = self.look(content) {
                apply(loaded).await;
            }
        }
    }

    /// Documents to run from here on, when `content` is new and can run.
    fn look(&mut self, content: Content) -> Option<Loaded> {
        if content == self.seen {
            return None;
        }
        self.seen = content.clone();
        let checked = content.check(&self.directory).map_err(|error| error.to_string());
        match checked.and_then(|loaded| self.same_listeners(loaded)) {
            Ok(loaded) => {
                info!(fingerprints = ?loaded.fingerprints, "new documents run");
                self.state.send_modify(|state| {
                    state.rejected.clear();
                    state.reloads += 1;
                });
                Some(loaded)
            }
            Err(reason) => {
                warn!(reason, "documents on disk cannot run; the last good ones go on");
                self.state.send_modify(|state| {
                    state.rejected = vec![reason];
                    state.rejections += 1;
                });
                None
            }
        }
    }

    fn same_listeners(&self, loaded: Loaded) -> Result<Loaded, String> {
        let listeners = &loaded.documents.sip.listeners;
        let same = listeners.len() == self.open.len()
            && listeners.iter().zip(&self.open).all(|(new, open)| new.is_same_socket(open));
        if same {
            return Ok(loaded);
        }
        let path = self.directory.join(voip_contract::config::SIP_DOCUMENT);
        Err(format!("{}: listeners: they change only at a restart", path.display()))
    }
}
