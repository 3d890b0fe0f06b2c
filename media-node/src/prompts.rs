//! The prompts by name: read, resampled and encoded once at load, then shared by all players.
//!
//! One bad file is reported and left out; the others stay.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use media_core::prompt::Prompt;
use thiserror::Error;
use voip_contract::config::BUILT_IN_PROMPT;

mod resample;
mod wav;
mod welcome;

use wav::WavError;

/// Bytes of all encoded prompts together, in both laws: some 35 minutes.
const MAX_BYTES: usize = 32 * 1024 * 1024;
const MAX_PROMPTS: usize = 1_000;

/// Why a prompt is not there.
#[derive(Debug, Error)]
pub(crate) enum PromptError {
    /// The directory cannot be listed.
    #[error("prompts in {}: {source}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is no audio that can be played.
    #[error("prompt {} {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// A sentence without its subject.
        reason: String,
    },
    /// There are too many, or they are too long together.
    #[error("prompt {} does not fit: {MAX_PROMPTS} prompts and {} MiB are the limits", path.display(), MAX_BYTES >> 20)]
    NoRoom {
        /// The first file that was left out.
        path: PathBuf,
    },
}

/// The prompts that can be played.
#[derive(Debug, Default)]
pub(crate) struct Prompts {
    by_name: BTreeMap<String, Prompt>,
    bytes: usize,
}

impl Prompts {
    /// The built-in prompt and every `*.wav` of `directory`, which may replace it; and what could not be loaded.
    pub(crate) fn load(directory: Option<&Path>) -> (Self, Vec<PromptError>) {
        let mut prompts = Self::default();
        prompts.add(BUILT_IN_PROMPT.to_owned(), Prompt::from_samples(&welcome::samples()));
        let mut errors = Vec::new();
        if let Some(directory) = directory {
            match wav_files(directory) {
                Ok(files) => errors.extend(files.iter().filter_map(|file| prompts.load_file(file).err())),
                Err(source) => errors.push(PromptError::Directory { path: directory.to_owned(), source }),
            }
        }
        (prompts, errors)
    }

    /// The prompt of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&Prompt> {
        self.by_name.get(name)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.by_name.len()
    }

    fn load_file(&mut self, path: &Path) -> Result<(), PromptError> {
        let failed = |reason: String| PromptError::File { path: path.to_owned(), reason };
        let name = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .ok_or_else(|| failed("has a name that is no text".into()))?;
        let samples = wav::read(path).map_err(|error: WavError| failed(error.to_string()))?;
        // One octet per sample and law.
        if self.by_name.len() >= MAX_PROMPTS || self.bytes + 2 * samples.len() > MAX_BYTES {
            return Err(PromptError::NoRoom { path: path.to_owned() });
        }
        self.add(name.to_owned(), Prompt::from_samples(&samples));
        Ok(())
    }

    fn add(&mut self, name: String, prompt: Prompt) {
        self.bytes += 2 * prompt.octets(media_core::g711::Law::Ulaw).len();
        self.by_name.insert(name, prompt);
    }
}

/// In the order of their names, so that what does not fit is always the same.
fn wav_files(directory: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("wav")) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_file_is_named_and_the_others_stay() {
        let directory = std::env::temp_dir().join(format!("media-node-prompts-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: 8_000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(directory.join("hello.wav"), spec).unwrap();
        (0..400_i16).for_each(|n| writer.write_sample(n).unwrap());
        writer.finalize().unwrap();
        std::fs::write(directory.join("broken.wav"), b"RIFF").unwrap();
        std::fs::write(directory.join("notes.txt"), b"no prompt").unwrap();
        let (prompts, errors) = Prompts::load(Some(&directory));
        std::fs::remove_dir_all(&directory).unwrap();
        assert_eq!(prompts.len(), 2);
        assert_eq!(prompts.get("hello").unwrap().frames(), 3);
        assert!(prompts.get(BUILT_IN_PROMPT).is_some());
        let [error] = errors.as_slice() else { panic!("{errors:?}") };
        assert!(error.to_string().contains("broken.wav cannot be read as WAV"), "{error}");
    }

    #[test]
    fn a_directory_that_is_missing_is_reported() {
        let (prompts, errors) = Prompts::load(Some(Path::new("/nonexistent")));
        assert!(prompts.get(BUILT_IN_PROMPT).is_some());
        assert!(matches!(errors.as_slice(), [PromptError::Directory { .. }]));
    }
}
