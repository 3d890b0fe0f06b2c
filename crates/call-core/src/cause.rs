//! Q.850 causes and SIP status codes, as RFC 3398 maps them, and the Reason header (RFC 3326) that carries them.

use std::fmt;

use serde::{Deserialize, Serialize};
use sip_core::StatusCode;

/// A Q.850 cause, 1 to 127.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cause(pub u8);

impl Cause {
    /// Unallocated number.
    pub const UNALLOCATED: Self = Self(1);
    /// Normal call clearing.
    pub const NORMAL: Self = Self(16);
    /// User busy.
    pub const BUSY: Self = Self(17);
    /// No user responding.
    pub const NO_RESPONSE: Self = Self(18);
    /// No answer from the user, who was alerted.
    pub const NO_ANSWER: Self = Self(19);
    /// Subscriber absent: not registered.
    pub const ABSENT: Self = Self(20);
    /// Call rejected.
    pub const REJECTED: Self = Self(21);
    /// Network out of order.
    pub const NETWORK_OUT_OF_ORDER: Self = Self(38);
    /// Temporary failure.
    pub const TEMPORARY_FAILURE: Self = Self(41);
    /// Incompatible destination.
    pub const INCOMPATIBLE: Self = Self(88);
    /// Recovery on timer expiry.
    pub const TIMER_EXPIRED: Self = Self(102);
    /// Interworking, unspecified.
    pub const INTERWORKING: Self = Self(127);

    /// The cause of a final SIP failure (RFC 3398 section 8.2.6.1). 488 and 606 depend on a Warning there; here they
    /// say that no media was in common.
    pub fn of_status(status: u16) -> Self {
        match status {
            200..=299 => Self::NORMAL,
            404 | 485 | 604 => Self::UNALLOCATED,
            486 | 600 => Self::BUSY,
            480 => Self::NO_RESPONSE,
            401 | 402 | 403 | 407 | 603 => Self::REJECTED,
            410 => Self(22),
            482 | 483 => Self(25),
            484 => Self(28),
            502 => Self::NETWORK_OUT_OF_ORDER,
            400 | 481 | 500 | 503 => Self::TEMPORARY_FAILURE,
            405 => Self(63),
            406 | 415 | 501 => Self(79),
            488 | 606 => Self::INCOMPATIBLE,
            408 | 504 => Self::TIMER_EXPIRED,
            // A request that was withdrawn: the CANCEL is what RFC 3398 section 8.3 maps, to a normal release.
            487 => Self::NORMAL,
            _ => Self::INTERWORKING,
        }
    }
}

/// Why a dialog ends, as it is said in a Reason header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reason {
    /// What happened on the way.
    Cause {
        cause: Cause,
        /// For people; fixed words of ours.
        text: &'static str,
    },
    /// What a request would have been answered with.
    Status {
        status: StatusCode,
        /// As above.
        text: &'static str,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cause { cause, text } => write!(f, "Q.850;cause={};text=\"{text}\"", cause.0),
            Self::Status { status, text } => write!(f, "SIP;cause={};text=\"{text}\"", status.code()),
        }
    }
}

/// The Q.850 cause in the values of Reason headers, if one of them has it.
pub(crate) fn cause_in_reason<'a>(values: impl Iterator<Item = &'a [u8]>) -> Option<Cause> {
    values.filter_map(|value| std::str::from_utf8(value).ok()).find_map(q850_cause)
}

fn q850_cause(value: &str) -> Option<Cause> {
    let mut parts = value.split(';').map(str::trim);
    if !parts.next()?.eq_ignore_ascii_case("Q.850") {
        return None;
    }
    parts.find_map(|part| {
        let (name, number) = part.split_once('=')?;
        let cause: u8 = number.trim().trim_matches('"').parse().ok()?;
        (name.trim().eq_ignore_ascii_case("cause") && (1..=127).contains(&cause)).then_some(Cause(cause))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_map_as_rfc_3398_says() {
        let table = [
            (404, 1),
            (486, 17),
            (480, 18),
            (408, 102),
            (484, 28),
            (500, 41),
            (502, 38),
            (603, 21),
            (600, 17),
        ];
        for (status, cause) in table {
            assert_eq!(Cause::of_status(status), Cause(cause), "{status}");
        }
        assert_eq!(Cause::of_status(420), Cause::INTERWORKING);
    }

    #[test]
    fn reason_is_read_as_it_is_written() {
        let reason = Reason::Cause { cause: Cause::TEMPORARY_FAILURE, text: "media lost" };
        assert_eq!(reason.to_string(), "Q.850;cause=41;text=\"media lost\"");
        assert_eq!(cause_in_reason([reason.to_string().as_bytes()].into_iter()), Some(Cause(41)));
        let reason = Reason::Status { status: StatusCode::SERVICE_UNAVAILABLE, text: "drain deadline" };
        assert_eq!(reason.to_string(), "SIP;cause=503;text=\"drain deadline\"");
    }

    #[test]
    fn a_reason_of_another_protocol_or_out_of_range_is_no_cause() {
        for value in
            ["SIP;cause=200", "Q.850", "Q.850;cause=128", "Q.850;cause=0", "Q.850;cause=x", "", "\u{fe}"]
        {
            assert_eq!(cause_in_reason([value.as_bytes()].into_iter()), None, "{value:?}");
        }
        let both = ["SIP;cause=200;text=\"x\"".as_bytes(), b" q.850 ; CAUSE = 19"];
        assert_eq!(cause_in_reason(both.into_iter()), Some(Cause::NO_ANSWER));
    }
}
