//! Writes the config documents where the programs look for them.

use serde::Serialize;
use voip_contract::config::{MEDIA_DOCUMENT, SIP_DOCUMENT, USERS_DOCUMENT};
use voip_plan::Documents;

use crate::state::{StateDir, StateError, write_atomically};

/// Replaces all three, each as a whole, readable by this user alone.
pub(super) fn write(state: &StateDir, documents: &Documents) -> Result<(), StateError> {
    let (sip, media) = (state.sip_config(), state.media_config());
    // Users first: a dialplan that names a new user finds it.
    write_atomically(&sip.join(USERS_DOCUMENT), &json(&documents.users))?;
    write_atomically(&sip.join(SIP_DOCUMENT), &json(&documents.sip))?;
    write_atomically(&media.join(MEDIA_DOCUMENT), &json(&documents.media))
}

fn json(document: &impl Serialize) -> Vec<u8> {
    // Strings, numbers, lists and maps with string keys always serialise.
    serde_json::to_vec_pretty(document).unwrap_or_default()
}
