//! What a leg hears in place of its peer.

use voip_contract::LegId;
use voip_contract::media::{MediaOutcome, MediaRefusal, RefusalReason};

use super::state::{Prompt, Sound, State};
use super::{Resources, refusal};

impl State {
    pub(super) fn play(
        &mut self,
        leg: LegId,
        name: &str,
        repeat: u32,
        ticket: u64,
        resources: &Resources<'_>,
    ) -> Result<MediaOutcome, MediaRefusal> {
        let asked = (self.epoch, ticket);
        let play = self.plays.wrapping_add(1);
        let target = self.leg_mut(leg)?;
        let plays_it = matches!(&target.sound, Sound::Prompt(p) if p.name == name && p.repeat == repeat);
        if target.last_play == Some(asked) || plays_it {
            return Ok(MediaOutcome::default());
        }
        if !(resources.has_prompt)(name) {
            return Err(refusal(RefusalReason::NoPrompt, format!("there is no prompt {name:?}")));
        }
        if target.talk.remote.is_none() {
            return Err(refusal(RefusalReason::Unknown, format!("leg {} has no media yet", leg.0)));
        }
        let codec = target.agreed(|codec| codec.law().is_some());
        let Some((law, payload_type)) = codec.and_then(|codec| Some((codec.law()?, codec.payload_type)))
        else {
            return Err(refusal(RefusalReason::NotAcceptable, format!("leg {} has no G.711", leg.0)));
        };
        target.sound = Sound::Prompt(Prompt { play, name: name.to_owned(), repeat, law, payload_type });
        target.last_play = Some(asked);
        self.plays = play;
        Ok(MediaOutcome::default())
    }

    pub(super) fn echo(&mut self, leg: LegId) -> Result<MediaOutcome, MediaRefusal> {
        let target = self.leg_mut(leg)?;
        if target.talk.remote.is_none() {
            return Err(refusal(RefusalReason::Unknown, format!("leg {} has no media yet", leg.0)));
        }
        target.sound = Sound::Echo;
        Ok(MediaOutcome::default())
    }
}
