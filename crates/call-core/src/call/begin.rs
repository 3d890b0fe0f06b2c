//! From an authenticated INVITE to the first action.

use std::sync::Arc;
use std::time::Duration;

use sip_core::{Dialog, Flow, Message, ServerKey, StatusCode, Uri};
use voip_contract::admin::CallRecord;
use voip_contract::config::UserDocument;
use voip_contract::media::MediaSnapshot;
use voip_contract::{CallId, Epoch, Generation};

use super::messages::Shown;
use super::{ActiveCall, CALLER, Caller, Failure, Stage};
use crate::cause::Cause;
use crate::fact::Fact;
use crate::peer;
use crate::requests::{self, Refusal};
use crate::state::{AddressOfRecord, Call, Leg, LegState, RouteJournal, STATE_VERSION};
use crate::timers::Timer;
use crate::turn::Turn;

/// Begins a call and carries out its route as far as it goes without waiting.
pub(crate) fn begin(
    turn: &mut Turn,
    key: ServerKey,
    flow: Flow,
    request: Message,
    user: &Arc<UserDocument>,
) -> Result<ActiveCall, Refusal> {
    let number = dialled(&request)?;
    requests::check_body(&request)?;
    let tag = turn.core.tokens.token();
    let leg = caller_leg(flow, &request, user, &tag)?;
    let id = turn.call_id();
    let expiry = lifetime(&request).map(|span| turn.after(span, Timer::Invitation(id)));
    let record = open_record(turn, id, user, &number);
    turn.core.servers.insert(key, (id, CALLER));
    turn.core.dialogs.insert(tag, (id, CALLER));
    turn.occupy(&user.username);
    turn.emit(Fact::CallStarted(Box::new(record.clone())));
    let mut call = ActiveCall {
        value: Call {
            version: STATE_VERSION,
            id,
            epoch: Epoch(1),
            record,
            media: None,
            generation: Generation(0),
            snapshot: MediaSnapshot::default(),
            route: RouteJournal::default(),
            legs: vec![leg],
        },
        caller: Caller {
            shown: Shown::of(&request),
            invite: Some((key, request)),
            unacknowledged: None,
            answer: None,
            progress: None,
            expiry,
            user: user.clone(),
        },
        stage: Stage::Routing,
        modify: None,
        passing: Vec::new(),
        failure: None,
        occupied: vec![user.username.clone()],
        refused_by: None,
        next_leg: 1,
    };
    call.route(turn, &number);
    Ok(call)
}

impl ActiveCall {
    fn route(&mut self, turn: &mut Turn, number: &str) {
        match turn.core.directory.dialplan.route(&self.caller.user.context, number) {
            Some(matched) => self.value.route.actions = matched.actions,
            None => self.failure = Some(Failure::ours(StatusCode::NOT_FOUND, Cause::UNALLOCATED)),
        }
        self.next_action(turn);
    }
}

/// The number in the Request-URI: the user part, or a telephone number without its visual separators (RFC 3966),
/// which `user=phone` says of a user part too (RFC 3261 section 19.1.6).
fn dialled(request: &Message) -> Result<String, Refusal> {
    let bad = |status| Refusal::new(status, "no-number");
    let uri: Uri = request.request_uri().map_err(|_| bad(StatusCode::BAD_REQUEST))?;
    let text = uri.username().unwrap_or_default();
    let number = if !uri.is_sip() {
        without_separators(&text)
    } else if uri.param("user").is_some_and(|user| user.eq_ignore_ascii_case("phone")) {
        subscriber(&text).unwrap_or(text)
    } else {
        text
    };
    if number.is_empty() { Err(bad(StatusCode::ADDRESS_INCOMPLETE)) } else { Ok(number) }
}

fn without_separators(number: &str) -> String {
    number.chars().filter(|c| !matches!(c, '-' | '.' | '(' | ')')).collect()
}

/// The number in a telephone-subscriber, without its parameters. None: phones say `user=phone` of names as well.
fn subscriber(text: &str) -> Option<String> {
    let number = without_separators(text.split(';').next().unwrap_or_default());
    let digits = number.strip_prefix('+').unwrap_or(&number);
    let is_number =
        !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit() || b == b'*' || b == b'#');
    is_number.then_some(number)
}

/// How long the INVITE holds (RFC 3261 section 13.3.1); 0 limits nothing, for nobody could answer in no time.
fn lifetime(request: &Message) -> Option<Duration> {
    let seconds = request.expires().filter(|seconds| *seconds != 0)?;
    Some(Duration::from_secs(u64::from(seconds)))
}

fn caller_leg(flow: Flow, request: &Message, user: &UserDocument, tag: &str) -> Result<Leg, Refusal> {
    let bad = |_| Refusal::new(StatusCode::BAD_REQUEST, "bad-dialog");
    let dialog = Dialog::from_request(request, tag).map_err(bad)?;
    let direct = peer::flow_to_contact(request, &dialog.remote_target, flow);
    Ok(Leg {
        id: CALLER,
        user: AddressOfRecord(user.username.clone()),
        state: LegState::Trying,
        tag: tag.to_owned(),
        flow: peer::next_hop(&dialog.route_set, direct),
        dialog: Some(dialog),
        remote_sdp: requests::sdp_of(request).map(|sdp| sdp.to_vec()),
        local_sdp: None,
        unacknowledged: None,
    })
}

fn open_record(turn: &Turn, id: CallId, user: &UserDocument, number: &str) -> CallRecord {
    CallRecord {
        id,
        from: user.username.clone(),
        to: number.to_owned(),
        started_at_ms: turn.now.wall.0,
        answered_at_ms: None,
        ended_at_ms: None,
        duration_ms: 0,
        sip_status: 0,
        q850: 0,
        ended_by: None,
    }
}
