//! Applies commands to the legs of a relay thread, between its rounds.

use std::cmp::Reverse;
use std::time::Duration;

use media_core::prompt::{OutgoingStream, Player};
use voip_contract::media::LegStatistics;
use voip_contract::{CallId, LegId};

use super::super::leg::{Leg, Output};
use super::super::slab::Slot;
use super::super::{Command, Event, Work};
use super::{COMMANDS, Relay, event_data, watch};

impl Relay {
    pub(super) fn take_commands(&mut self, now: Duration) {
        // Cleared before the queue is read: whoever adds later writes again.
        let _ = rustix::io::read(&*self.wake, &mut [0; 8]);
        self.more_commands = true;
        for _ in 0..COMMANDS {
            let Ok(batch) = self.commands.try_recv() else {
                self.more_commands = false;
                return;
            };
            match batch.work {
                Work::Stop => self.stopped = true,
                Work::Commands(commands) => {
                    let statistics = commands
                        .into_iter()
                        .filter_map(|command| self.apply(now, batch.session, command))
                        .collect();
                    self.backlog.push_back(Event::Applied { token: batch.token, statistics });
                }
            }
        }
    }

    /// Closing a leg gives its statistics. A command for a leg that is not there does nothing: control never sends
    /// one, as both keep the same books.
    fn apply(&mut self, now: Duration, session: CallId, command: Command) -> Option<LegStatistics> {
        match command {
            Command::Open { leg, rtp, rtcp, stream } => {
                self.open(now, session, leg, (rtp, rtcp), stream);
            }
            Command::SetRemote { leg, rtp, rtcp, receives, clock_rate } => {
                self.leg_mut(session, leg)?.1.set_remote(now, (rtp, rtcp), receives, clock_rate);
            }
            Command::Route { from, to } => {
                let to = self.slot(session, to)?;
                self.leg_mut(session, from)?.1.output = Output::To(to);
            }
            Command::Unroute { from } => self.leg_mut(session, from)?.1.output = Output::Nowhere,
            Command::Echo { leg } => self.leg_mut(session, leg)?.1.output = Output::Back,
            Command::Play { leg, prompt, law, payload_type, repeat, play } => {
                let (slot, leg) = self.leg_mut(session, leg)?;
                leg.play(now, play, |stream| Player::new(&prompt, law, payload_type, repeat, stream));
                self.turns.push(Reverse((now, slot)));
            }
            Command::StopPlay { leg } => self.leg_mut(session, leg)?.1.stop_playing(),
            Command::Close { leg } => return self.close(session, leg),
        }
        None
    }

    fn open(
        &mut self,
        now: Duration,
        session: CallId,
        id: LegId,
        sockets: (std::net::UdpSocket, std::net::UdpSocket),
        stream: OutgoingStream,
    ) {
        let slot = self.legs.insert(Leg::new(now, session, id, sockets, stream));
        let Some(leg) = self.legs.get(slot) else { return };
        let watched = watch(&self.epoll, leg.rtp.fd(), event_data(slot, false))
            .and_then(|()| watch(&self.epoll, leg.rtcp.fd(), event_data(slot, true)));
        if let Err(error) = watched {
            tracing::error!(%session, leg = id.0, %error, "a leg's sockets cannot be watched; it will hear nothing");
        }
        self.sessions.entry(session).or_default().push((id, slot));
    }

    /// Dropping the sockets takes them out of epoll; no event of this round names the slot any more, for commands
    /// are applied after the events.
    fn close(&mut self, session: CallId, id: LegId) -> Option<LegStatistics> {
        let slot = self.slot(session, id)?;
        let legs = self.sessions.get_mut(&session)?;
        legs.retain(|(leg, _)| *leg != id);
        for (_, other) in legs.iter() {
            if let Some(other) = self.legs.get_mut(*other)
                && other.output == Output::To(slot)
            {
                other.output = Output::Nowhere;
            }
        }
        if legs.is_empty() {
            self.sessions.remove(&session);
        }
        self.legs.remove(slot).map(|leg| leg.statistics())
    }

    fn slot(&self, session: CallId, id: LegId) -> Option<Slot> {
        self.sessions.get(&session)?.iter().find(|(leg, _)| *leg == id).map(|(_, slot)| *slot)
    }

    fn leg_mut(&mut self, session: CallId, id: LegId) -> Option<(Slot, &mut Leg)> {
        let slot = self.slot(session, id)?;
        self.legs.get_mut(slot).map(|leg| (slot, leg))
    }
}
