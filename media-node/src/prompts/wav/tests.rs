use std::path::PathBuf;

use super::*;

/// A file that is removed when the test ends.
struct TestFile(PathBuf);

impl TestFile {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("media-node-wav-{}-{name}.wav", std::process::id())))
    }
}

impl Drop for TestFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn spec(channels: u16, sample_rate: u32, bits_per_sample: u16, sample_format: SampleFormat) -> WavSpec {
    WavSpec { channels, sample_rate, bits_per_sample, sample_format }
}

#[expect(clippy::cast_possible_truncation, reason = "within the range of the format")]
/// Half a second of 440 Hz at half scale in every channel.
fn write(file: &TestFile, spec: WavSpec) {
    let mut writer = hound::WavWriter::create(&file.0, spec).unwrap();
    for n in 0..spec.sample_rate / 2 {
        let value =
            (2.0 * std::f64::consts::PI * 440.0 * f64::from(n) / f64::from(spec.sample_rate)).sin() * 0.5;
        for _ in 0..spec.channels {
            match spec.sample_format {
                SampleFormat::Float => writer.write_sample(value as f32).unwrap(),
                SampleFormat::Int => {
                    let full_scale = f64::from(spec.bits_per_sample - 1).exp2();
                    writer.write_sample((value * (full_scale - 1.0)) as i32).unwrap();
                }
            }
        }
    }
    writer.finalize().unwrap();
}

#[test]
fn every_usual_format_becomes_the_same_8_khz_mono() {
    let formats = [
        spec(1, 8_000, 16, SampleFormat::Int),
        spec(1, 8_000, 8, SampleFormat::Int),
        spec(2, 44_100, 16, SampleFormat::Int),
        spec(2, 48_000, 24, SampleFormat::Int),
        spec(6, 48_000, 32, SampleFormat::Int),
        spec(1, 16_000, 32, SampleFormat::Float),
    ];
    for (n, format) in formats.into_iter().enumerate() {
        let file = TestFile::new(&format!("format{n}"));
        write(&file, format);
        let samples = read(&file.0).unwrap();
        assert!(samples.len().abs_diff(4_000) <= 1, "{format:?}: {}", samples.len());
        let middle = &samples[1_000..3_000];
        let rms = (middle.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / 2_000.0).sqrt();
        assert!((rms - 16_384.0 / 2f64.sqrt()).abs() < 250.0, "{format:?}: level {rms}");
    }
}

#[test]
fn each_bad_file_says_what_is_wrong_with_it() {
    let file = TestFile::new("noise");
    std::fs::write(&file.0, b"this is no audio at all").unwrap();
    assert!(matches!(read(&file.0), Err(WavError::Read(_))));

    let file = TestFile::new("empty");
    hound::WavWriter::create(&file.0, spec(1, 8_000, 16, SampleFormat::Int)).unwrap().finalize().unwrap();
    assert!(matches!(read(&file.0), Err(WavError::Empty)));

    let file = TestFile::new("rate");
    write(&file, spec(1, 2_000, 16, SampleFormat::Int));
    assert!(matches!(read(&file.0), Err(WavError::Rate(2_000))));

    let file = TestFile::new("channels");
    write(&file, spec(9, 8_000, 16, SampleFormat::Int));
    assert!(matches!(read(&file.0), Err(WavError::Channels(9))));

    let file = TestFile::new("cut");
    write(&file, spec(1, 8_000, 16, SampleFormat::Int));
    let bytes = std::fs::read(&file.0).unwrap();
    std::fs::write(&file.0, &bytes[..bytes.len() / 2]).unwrap();
    assert!(matches!(read(&file.0), Err(WavError::Read(_))));
}

#[test]
fn length_is_bounded_before_it_is_read() {
    assert!(matches!(check(spec(1, 8_000, 16, SampleFormat::Int), 8_000 * 601), Err(WavError::TooLong)));
    assert!(check(spec(1, 8_000, 16, SampleFormat::Int), 8_000 * 600).is_ok());
}
