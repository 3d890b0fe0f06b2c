//! Mean opinion score by the E-model (ITU-T G.107) with the defaults of a quiet room and telephone.

/// What a codec loses by itself and how it stands loss (ITU-T G.113 appendix I).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CodecImpairment {
    /// Equipment impairment factor Ie.
    pub equipment: f64,
    /// Packet-loss robustness factor Bpl.
    pub robustness: f64,
}

/// G.711 with packet loss concealment.
pub const G711: CodecImpairment = CodecImpairment { equipment: 0.0, robustness: 25.1 };

/// R with all parameters of G.107 at their defaults.
const BASIC: f64 = 93.2;

/// The transmission rating R, 0 to 93.2, from a one-way delay in milliseconds and the share of packets lost, 0 to 1.
///
/// The delay impairment is the piecewise approximation of G.107's Idd for an echo-free connection; losses are taken
/// as random (`BurstR` = 1).
pub fn rating(delay_ms: f64, loss: f64, codec: CodecImpairment) -> f64 {
    let delay_ms = delay_ms.max(0.0);
    let delay = 0.024 * delay_ms + 0.11 * (delay_ms - 177.3).max(0.0);
    let percent = loss.clamp(0.0, 1.0) * 100.0;
    let equipment = codec.equipment + (95.0 - codec.equipment) * percent / (percent + codec.robustness);
    (BASIC - delay - equipment).clamp(0.0, BASIC)
}

/// The mean opinion score, 1 to 4.5, for a rating (G.107 annex B).
pub fn mos(rating: f64) -> f64 {
    match rating {
        r if r <= 0.0 => 1.0,
        r if r >= 100.0 => 4.5,
        r => (1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6).max(1.0),
    }
}

/// The score of one direction: a jitter buffer of twice the jitter is part of the delay.
pub fn mos_of_stream(network_delay_ms: f64, jitter_ms: f64, loss: f64, codec: CodecImpairment) -> f64 {
    mos(rating(network_delay_ms + 2.0 * jitter_ms, loss, codec))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64, tolerance: f64) -> bool {
        (a - b).abs() <= tolerance
    }

    #[test]
    fn a_perfect_g711_call_scores_4_4() {
        assert!(near(mos_of_stream(0.0, 0.0, 0.0, G711), 4.41, 0.005));
    }

    #[test]
    fn the_scale_of_annex_b_is_met() {
        for (r, score) in [(90.0, 4.34), (80.0, 4.03), (70.0, 3.60), (60.0, 3.10), (50.0, 2.58)] {
            assert!(near(mos(r), score, 0.01), "R {r}: {}", mos(r));
        }
        assert!(near(mos(-5.0), 1.0, 0.0) && near(mos(120.0), 4.5, 0.0));
    }

    #[test]
    fn loss_delay_and_jitter_only_make_it_worse() {
        let base = mos_of_stream(20.0, 1.0, 0.0, G711);
        for worse in [(20.0, 1.0, 0.01), (300.0, 1.0, 0.0), (20.0, 60.0, 0.0)] {
            assert!(mos_of_stream(worse.0, worse.1, worse.2, G711) < base);
        }
        assert!(near(mos_of_stream(0.0, 0.0, 1.0, G711), 1.0, 0.3));
        assert!(mos_of_stream(f64::MAX, 0.0, 5.0, G711) >= 1.0);
    }

    #[test]
    fn five_percent_random_loss_costs_g711_about_16_points() {
        assert!(near(rating(0.0, 0.0, G711) - rating(0.0, 0.05, G711), 15.78, 0.01));
    }
}
