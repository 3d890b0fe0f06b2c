//! Changes the sample rate of a whole recording by a windowed-sinc filter.
//!
//! Runs once per prompt when it is loaded, so it aims at quality and plainness. It must not know files or codecs.

use std::f64::consts::PI;

/// Zero crossings of the sinc on either side of its centre. With the Blackman window the stop band lies 74 dB down.
const ZERO_CROSSINGS: f64 = 16.0;
/// Pass band as a part of the narrower Nyquist band; the rest is where the filter falls.
const PASS_BAND: f64 = 0.90;

/// Resamples `input` from `from` to `to` hertz. Both must be above 0; equal rates give the input unchanged.
pub(crate) fn resample(input: &[f32], from: u32, to: u32) -> Vec<f32> {
    if from == to || input.is_empty() {
        return input.to_vec();
    }
    let filter = Filter::new(from, to);
    let outputs = (input.len() as u64 * u64::from(to)).div_ceil(u64::from(from));
    (0..outputs).map(|n| filter.output(input, n)).collect()
}

/// The filter in as many phases as output samples can fall between input samples.
struct Filter {
    /// Output rate over the greatest common divisor: number of phases.
    up: u64,
    /// Input rate over the greatest common divisor: phases from one output sample to the next.
    down: u64,
    /// Input samples on either side of the centre.
    reach: i64,
    /// `up` times `2 * reach + 1` coefficients.
    coefficients: Vec<f32>,
}

impl Filter {
    fn new(from: u32, to: u32) -> Self {
        let divisor = greatest_common_divisor(from, to);
        let (up, down) = (u64::from(to / divisor), u64::from(from / divisor));
        let cutoff = PASS_BAND * (f64::from(to) / f64::from(from)).min(1.0);
        let width = ZERO_CROSSINGS / cutoff;
        #[expect(clippy::cast_possible_truncation, reason = "a few thousand at most")]
        let reach = width.ceil() as i64;
        let coefficients =
            (0..up).flat_map(|phase| row(phase as f64 / up as f64, reach, cutoff, width)).collect();
        Self { up, down, reach, coefficients }
    }

    fn output(&self, input: &[f32], n: u64) -> f32 {
        let position = n * self.down;
        let (centre, phase) = ((position / self.up).cast_signed(), position % self.up);
        let taps = usize::try_from(2 * self.reach + 1).unwrap_or(0);
        let row = self.coefficients.iter().skip(usize::try_from(phase).unwrap_or(0) * taps).take(taps);
        (centre - self.reach..)
            .zip(row)
            .map(|(at, coefficient)| {
                usize::try_from(at)
                    .ok()
                    .and_then(|at| input.get(at))
                    .map_or(0.0, |sample| sample * coefficient)
            })
            .sum()
    }
}

/// Coefficients for an output sample that lies `fraction` of an input sample behind the centre; their sum is 1, so
/// that no phase is louder than another.
fn row(fraction: f64, reach: i64, cutoff: f64, width: f64) -> Vec<f32> {
    let raw: Vec<f64> = (-reach..=reach)
        .map(|tap| {
            let distance = tap as f64 - fraction;
            sinc(distance * cutoff) * blackman(distance / width)
        })
        .collect();
    let sum: f64 = raw.iter().sum();
    #[expect(clippy::cast_possible_truncation, reason = "audio needs no more than f32")]
    raw.iter().map(|value| (value / sum) as f32).collect()
}

fn sinc(x: f64) -> f64 {
    if x.abs() < 1e-9 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

/// Blackman window over -1..1, 0 outside.
fn blackman(x: f64) -> f64 {
    if x.abs() >= 1.0 { 0.0 } else { 0.42 + 0.5 * (PI * x).cos() + 0.08 * (2.0 * PI * x).cos() }
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small known numbers")]
mod tests {
    use super::*;

    fn tone(hertz: f64, rate: u32, seconds: f64) -> Vec<f32> {
        let samples = (f64::from(rate) * seconds) as usize;
        (0..samples).map(|n| (2.0 * PI * hertz * n as f64 / f64::from(rate)).sin() as f32 * 0.5).collect()
    }

    /// Root mean square without the edges, where the filter sees silence.
    fn level(samples: &[f32]) -> f64 {
        let middle = &samples[samples.len() / 4..samples.len() * 3 / 4];
        (middle.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / middle.len() as f64).sqrt()
    }

    #[test]
    fn a_tone_keeps_frequency_and_level_at_every_usual_rate() {
        for rate in [8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000] {
            let output = resample(&tone(1_000.0, rate, 0.5), rate, 8_000);
            let expected = tone(1_000.0, 8_000, 0.5);
            assert!(output.len().abs_diff(expected.len()) <= 1, "{rate}: {} samples", output.len());
            let middle = expected.len() / 4..expected.len() * 3 / 4;
            let error: Vec<f32> = middle.map(|n| output[n] - expected[n]).collect();
            assert!(level(&error) < 0.002, "{rate}: error {}", level(&error));
        }
    }

    #[test]
    fn what_the_lower_rate_cannot_carry_is_removed() {
        let output = resample(&tone(6_000.0, 48_000, 0.5), 48_000, 8_000);
        assert!(level(&output) < 0.001, "alias level {}", level(&output));
    }

    #[test]
    fn a_lower_rate_is_raised() {
        let output = resample(&tone(500.0, 6_000, 0.5), 6_000, 8_000);
        assert_eq!(output.len(), 4_000);
        assert!((level(&output) - 0.5 / 2f64.sqrt()).abs() < 0.005, "level {}", level(&output));
    }

    #[test]
    fn a_constant_stays_constant() {
        let output = resample(&vec![0.25; 4_410], 44_100, 8_000);
        assert!(output[100..700].iter().all(|s| (s - 0.25).abs() < 1e-4));
    }

    #[test]
    fn nothing_in_nothing_out() {
        assert!(resample(&[], 44_100, 8_000).is_empty());
    }
}
