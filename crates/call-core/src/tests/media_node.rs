//! A media-node without a relay: the control state of `media-core`, and moods that a test sets.

use std::collections::BTreeMap;

use media_core::port_pool::PortPool;
use media_core::session::{Addresses, Resources, Session};
use voip_contract::CallId;
use voip_contract::media::{
    Announcement, MediaOperation, MediaOutcome, MediaRefusal, MediaRequest, RefusalReason,
};

pub(crate) struct MediaNode {
    pub(crate) said: Announcement,
    pub(crate) sessions: BTreeMap<CallId, Session>,
    ports: PortPool,
    /// Refuses new sessions.
    pub(crate) refuses: Option<RefusalReason>,
    /// Answers nothing.
    pub(crate) silent: bool,
    pub(crate) connected: bool,
    pub(crate) claims: Vec<Vec<CallId>>,
    /// The newest record of each session.
    pub(crate) records: BTreeMap<CallId, Vec<u8>>,
}

impl MediaNode {
    pub(crate) fn new(said: Announcement) -> Self {
        Self {
            said,
            sessions: BTreeMap::new(),
            ports: PortPool::new(20_000, 20_999),
            refuses: None,
            silent: false,
            connected: true,
            claims: Vec::new(),
            records: BTreeMap::new(),
        }
    }

    pub(crate) fn serve(&mut self, request: &MediaRequest) -> Result<MediaOutcome, MediaRefusal> {
        if let Some(record) = &request.record {
            self.records.insert(request.session, record.clone());
        }
        let begins = Session::begins_with(&request.operation);
        if let (Some(reason), true) = (self.refuses, begins && !self.sessions.contains_key(&request.session))
        {
            return Err(MediaRefusal { reason, detail: "as the test wants".to_owned() });
        }
        if !self.sessions.contains_key(&request.session) && !begins {
            let released = request.operation == MediaOperation::Release;
            let unknown = MediaRefusal { reason: RefusalReason::Unknown, detail: "no session".to_owned() };
            return if released { Ok(MediaOutcome::default()) } else { Err(unknown) };
        }
        let fresh = || Session::new(request.session, request.epoch);
        let session = self.sessions.entry(request.session).or_insert_with(fresh);
        let addresses = Addresses { outside: vec![[198, 51, 100, 1].into()], ..Addresses::default() };
        let has_prompt = |name: &str| name != "missing";
        let mut resources =
            Resources { ports: &mut self.ports, addresses: &addresses, has_prompt: &has_prompt };
        let result = session.handle(request, &mut resources, &mut Vec::new());
        if session.has_ended() || session.legs().next().is_none() {
            self.sessions.remove(&request.session);
        }
        result
    }
}
