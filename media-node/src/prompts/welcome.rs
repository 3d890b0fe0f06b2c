//! The built-in `welcome` prompt: three soft rising tones, made at start so that no recording needs to be shipped.

use std::f64::consts::PI;

use super::wav::RATE;

/// Start in seconds and frequency in hertz of each tone: a major chord, one note after the other.
const TONES: [(f64, f64); 3] = [(0.0, 523.25), (0.35, 659.26), (0.70, 783.99)];
const SECONDS: f64 = 2.0;
/// Peak of one tone; three at once stay below full scale.
const LEVEL: f64 = 0.22;
const ATTACK_SECONDS: f64 = 0.02;
const DECAY_SECONDS: f64 = 0.35;

/// Two seconds at 8 kHz.
pub(crate) fn samples() -> Vec<i16> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a constant of a few thousand"
    )]
    let count = (SECONDS * f64::from(RATE)) as u32;
    (0..count).map(|n| sample(f64::from(n) / f64::from(RATE))).collect()
}

fn sample(at: f64) -> i16 {
    let sum: f64 = TONES.iter().map(|(start, hertz)| tone(at - start, *hertz)).sum();
    // The last tenth of a second fades, so that the end does not click.
    let fade = ((SECONDS - at) / 0.1).min(1.0);
    #[expect(clippy::cast_possible_truncation, reason = "below full scale by LEVEL")]
    let sample = (sum * fade * 32_767.0) as i16;
    sample
}

/// A tone with a softer octave above it, struck at 0 and dying away.
fn tone(at: f64, hertz: f64) -> f64 {
    if at < 0.0 {
        return 0.0;
    }
    let envelope = (at / ATTACK_SECONDS).min(1.0) * (-at / DECAY_SECONDS).exp();
    let phase = 2.0 * PI * hertz * at;
    LEVEL * envelope * (phase.sin() + 0.25 * (2.0 * phase).sin())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_two_seconds_heard_well_and_does_not_clip() {
        let samples = samples();
        assert_eq!(samples.len(), 16_000);
        let peak = samples.iter().map(|s| s.unsigned_abs()).max().unwrap();
        assert!((3_000..30_000).contains(&peak), "peak {peak}");
        assert!(samples[0].abs() < 100 && samples[15_999].abs() < 100, "begins and ends in silence");
    }
}
