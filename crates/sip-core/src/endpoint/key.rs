//! What tells transactions apart (RFC 3261 section 17.2.3), boiled down to 128 bits.
//!
//! Fingerprints are keyed with the endpoint's seed: nobody outside can make two messages share one, and by chance
//! none ever will. They keep the tables small and a lookup free of allocation.

use std::hash::{DefaultHasher, Hasher};

use crate::mac;
use crate::message::Message;
use crate::via::MAGIC_COOKIE;

/// 128 bits that stand for the parts they were made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(u64, u64);

/// Makes fingerprints.
pub struct Fingerprints(DefaultHasher);

impl Fingerprints {
    /// Whose fingerprints nobody without `seed` can foresee.
    pub fn new(seed: &[u8; 32]) -> Self {
        let mut hasher = DefaultHasher::new();
        hasher.write(&mac::hmac(seed, &[b"fingerprint"]));
        Self(hasher)
    }

    fn of(&self, kind: u8, parts: &[&[u8]]) -> Fingerprint {
        let mut hasher = self.0.clone();
        hasher.write_u8(kind);
        for part in parts {
            hasher.write_usize(part.len());
            hasher.write(part);
        }
        let first = hasher.finish();
        // The state is wider than what it gives at a time: going on yields the other half, as SipHash-128 does.
        hasher.write_u8(1);
        Fingerprint(first, hasher.finish())
    }

    /// The server transaction of a request: top branch, sent-by and method, where ACK and CANCEL can be asked for the
    /// INVITE they are about. Without the magic cookie, RFC 2543's way: Request-URI, From tag, Call-ID, `CSeq` number
    /// and the whole Via. `None` when the message has no Via.
    pub fn server(&self, request: &Message, method: &str) -> Option<Fingerprint> {
        let via = request.raw_via()?;
        let method = method.as_bytes();
        let branch = via.branch();
        let mut lower = [0_u8; 128];
        let sent_by = lower_case(via.sent_by, &mut lower);
        let modern = branch.strip_prefix(MAGIC_COOKIE.as_bytes()).is_some_and(|rest| !rest.is_empty());
        if modern {
            return Some(self.of(b's', &[branch, sent_by, method]));
        }
        let (number, _) = request.raw_cseq().ok()?;
        let uri = request.request_uri_text()?.as_bytes();
        let from = request.from_tag().unwrap_or("").as_bytes();
        let call_id = request.call_id().as_bytes();
        Some(self.of(b'o', &[uri, from, call_id, &number.to_be_bytes(), sent_by, via.params, method]))
    }

    /// What requests share that are one request arrived on two ways (section 8.2.2.2); `None` inside a dialog.
    pub(super) fn merge(&self, request: &Message) -> Option<Fingerprint> {
        if request.to_tag().is_some() {
            return None;
        }
        let (number, method) = request.raw_cseq().ok()?;
        let from = request.from_tag()?.as_bytes();
        Some(self.of(b'm', &[from, request.call_id().as_bytes(), &number.to_be_bytes(), method]))
    }

    /// What a 2xx to an INVITE and its ACK share (section 13.2.2.4).
    pub(super) fn acknowledged(&self, message: &Message) -> Option<Fingerprint> {
        let (number, _) = message.raw_cseq().ok()?;
        let from = message.from_tag().unwrap_or("").as_bytes();
        let to = message.to_tag()?.as_bytes();
        Some(self.of(b'a', &[message.call_id().as_bytes(), from, to, &number.to_be_bytes()]))
    }
}

/// `bytes` in lower case, in `buffer` if they fit; as they are otherwise: no host name is that long.
fn lower_case<'a>(bytes: &'a [u8], buffer: &'a mut [u8]) -> &'a [u8] {
    let Some(lower) = buffer.get_mut(..bytes.len()) else { return bytes };
    for (to, from) in lower.iter_mut().zip(bytes) {
        *to = from.to_ascii_lowercase();
    }
    lower
}
