//! Arithmetic of directions (RFC 3264 sections 5.1, 6.1 and 8.4).

use crate::sdp::Direction;

/// Its sender sends.
pub fn sends(direction: Direction) -> bool {
    matches!(direction, Direction::SendRecv | Direction::SendOnly)
}

/// Its sender receives.
pub fn receives(direction: Direction) -> bool {
    matches!(direction, Direction::SendRecv | Direction::RecvOnly)
}

pub(super) fn of(sends: bool, receives: bool) -> Direction {
    match (sends, receives) {
        (true, true) => Direction::SendRecv,
        (true, false) => Direction::SendOnly,
        (false, true) => Direction::RecvOnly,
        (false, false) => Direction::Inactive,
    }
}

/// The same stream as the other side sees it.
pub fn reversed(direction: Direction) -> Direction {
    of(receives(direction), sends(direction))
}

/// The answer to `offered` of somebody who `wants` that: never more than was offered, whatever a careless peer says.
pub fn answered(offered: Direction, wants: Direction) -> Direction {
    let most = reversed(offered);
    of(sends(most) && sends(wants), receives(most) && receives(wants))
}

pub(super) fn name(direction: Direction) -> &'static str {
    match direction {
        Direction::SendRecv => "sendrecv",
        Direction::SendOnly => "sendonly",
        Direction::RecvOnly => "recvonly",
        Direction::Inactive => "inactive",
    }
}
