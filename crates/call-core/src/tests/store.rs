//! A store in memory. It keeps calls as JSON, so that whatever is written can be read back.

use std::collections::HashMap;

use voip_contract::CallId;

use crate::bindings::{current_bindings, update_bindings};
use crate::{AddressOfRecord, Binding, Call, StoreReply, StoreRequest};

#[derive(Default)]
pub(crate) struct MemoryStore {
    pub(crate) bindings: HashMap<AddressOfRecord, Vec<Binding>>,
    pub(crate) calls: HashMap<CallId, String>,
    /// How often calls were written.
    pub(crate) writes: u32,
}

impl MemoryStore {
    pub(crate) fn serve(&mut self, request: StoreRequest) -> StoreReply {
        match request {
            StoreRequest::UpdateBindings { aor, update, now_ms } => {
                update_bindings(self.bindings.entry(aor).or_default(), &update, now_ms)
            }
            StoreRequest::LoadBindings { aor, now_ms } => {
                current_bindings(self.bindings.entry(aor).or_default(), now_ms)
            }
            StoreRequest::PutCall(call) => {
                self.put(&call);
                StoreReply::Done
            }
            StoreRequest::RemoveCall(id) => {
                self.calls.remove(&id);
                StoreReply::Done
            }
        }
    }

    fn put(&mut self, call: &Call) {
        let json = serde_json::to_string(call).unwrap();
        assert_eq!(serde_json::from_str::<Call>(&json).unwrap(), *call, "a stored call reads back");
        self.calls.insert(call.id, json);
        self.writes += 1;
    }
}
