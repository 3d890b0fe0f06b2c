//! Reads a WAV file of any usual rate, depth and channel count into 8 kHz mono samples.
//!
//! It must not know codecs or RTP.

use std::path::Path;

use hound::{SampleFormat, WavReader, WavSpec};

use super::resample::resample;

/// Sample rate of everything that is played, hertz.
pub(crate) const RATE: u32 = 8_000;
/// Longest prompt, seconds.
pub(crate) const MAX_SECONDS: u32 = 600;
const RATES: std::ops::RangeInclusive<u32> = 4_000..=192_000;
const MAX_CHANNELS: u16 = 8;

/// Why a file cannot be played. The file is named by whoever reports it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WavError {
    #[error("cannot be read as WAV: {0}")]
    Read(#[from] hound::Error),
    #[error("has a sample rate of {0} Hz; 4000 to 192000 can be played")]
    Rate(u32),
    #[error("has {0} channels; 1 to 8 can be played")]
    Channels(u16),
    #[error("holds no audio")]
    Empty,
    #[error("is longer than {MAX_SECONDS} s")]
    TooLong,
}

/// The audio of `path` at [`RATE`], channels mixed to one.
pub(crate) fn read(path: &Path) -> Result<Vec<i16>, WavError> {
    let mut reader = WavReader::open(path)?;
    let spec = reader.spec();
    check(spec, reader.duration())?;
    let samples = interleaved(&mut reader, spec)?;
    Ok(quantise(&resample(&mix(&samples, usize::from(spec.channels)), spec.sample_rate, RATE)))
}

fn check(spec: WavSpec, frames: u32) -> Result<(), WavError> {
    if !RATES.contains(&spec.sample_rate) {
        return Err(WavError::Rate(spec.sample_rate));
    }
    if spec.channels == 0 || spec.channels > MAX_CHANNELS {
        return Err(WavError::Channels(spec.channels));
    }
    if frames == 0 {
        return Err(WavError::Empty);
    }
    if u64::from(frames) > u64::from(spec.sample_rate) * u64::from(MAX_SECONDS) {
        return Err(WavError::TooLong);
    }
    Ok(())
}

/// All samples, scaled to -1..1.
fn interleaved<R: std::io::Read>(reader: &mut WavReader<R>, spec: WavSpec) -> Result<Vec<f32>, WavError> {
    match spec.sample_format {
        SampleFormat::Float => Ok(reader.samples::<f32>().collect::<Result<_, _>>()?),
        SampleFormat::Int => {
            let full_scale = f64::from(spec.bits_per_sample.saturating_sub(1)).exp2();
            #[expect(clippy::cast_possible_truncation, reason = "audio needs no more than f32")]
            let scale = |sample: i32| (f64::from(sample) / full_scale) as f32;
            Ok(reader.samples::<i32>().map(|sample| sample.map(scale)).collect::<Result<_, _>>()?)
        }
    }
}

fn mix(samples: &[f32], channels: usize) -> Vec<f32> {
    samples.chunks(channels).map(|frame| frame.iter().sum::<f32>() / frame.len() as f32).collect()
}

/// To 16 bits. A float that is no number becomes silence.
fn quantise(samples: &[f32]) -> Vec<i16> {
    #[expect(clippy::cast_possible_truncation, reason = "clamped to the range of i16; a cast of NaN is 0")]
    samples.iter().map(|sample| (sample * 32_768.0).round().clamp(-32_768.0, 32_767.0) as i16).collect()
}

#[cfg(test)]
mod tests;
