//! Passwords that were generated for users without a Secret: made once, the same in every later run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{StateDir, StateError, read_optional, write_atomically};

const MEND: &str = "delete it, and every user without a Secret gets a new password";
/// Lower case and digits without those that look alike; typed on a phone's keypad they must be told apart.
const ALPHABET: &[u8; 31] = b"abcdefghjkmnpqrstuvwxyz23456789";
/// 31^16 is 79 bits.
const LENGTH: usize = 16;

/// Passwords by `namespace/cluster/username`.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Passwords {
    version: u32,
    passwords: BTreeMap<String, String>,
}

impl std::fmt::Debug for Passwords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Passwords").field("count", &self.passwords.len()).finish_non_exhaustive()
    }
}

/// A new password from the system's random source; an error when that fails.
pub(crate) fn random_password() -> Result<String, getrandom::Error> {
    // The largest multiple of the alphabet's size in a byte: bytes from there on would favour its beginning.
    const FAIR: u8 = 248;
    let mut password = String::with_capacity(LENGTH);
    while password.len() < LENGTH {
        let mut bytes = [0_u8; 2 * LENGTH];
        getrandom::fill(&mut bytes)?;
        let letters = bytes.iter().filter(|b| **b < FAIR).map(|b| char::from(ALPHABET[usize::from(*b) % 31]));
        password.extend(letters.take(LENGTH - password.len()));
    }
    Ok(password)
}

impl Passwords {
    /// The password kept under `key`; makes one with `generate` when there is none.
    pub(crate) fn get_or_insert<E>(
        &mut self,
        key: &str,
        generate: impl FnOnce() -> Result<String, E>,
    ) -> Result<&str, E> {
        if !self.passwords.contains_key(key) {
            self.passwords.insert(key.to_owned(), generate()?);
        }
        Ok(self.passwords.get(key).map_or("", String::as_str))
    }
}

impl StateDir {
    /// Reads what earlier runs kept.
    pub(crate) fn read_passwords(&self) -> Result<Passwords, StateError> {
        let path = self.passwords_file();
        let Some(content) = read_optional(&path)? else { return Ok(Passwords::default()) };
        serde_json::from_slice(&content).map_err(|error| StateError::Damaged {
            path,
            reason: error.to_string(),
            mend: MEND,
        })
    }

    /// Keeps them for later runs.
    pub(crate) fn write_passwords(&self, passwords: &Passwords) -> Result<(), StateError> {
        let passwords = Passwords { version: 1, passwords: passwords.passwords.clone() };
        let json = serde_json::to_vec_pretty(&passwords).unwrap_or_default();
        write_atomically(&self.passwords_file(), &json)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[test]
    fn a_password_is_made_once_and_survives_runs() {
        let directory = tempfile::tempdir().unwrap();
        let state = StateDir::new(Some(directory.path().join("s"))).unwrap();
        state.create().unwrap();
        let mut first = state.read_passwords().unwrap();
        let made = first.get_or_insert("default/office/1001", random_password).unwrap().to_owned();
        state.write_passwords(&first).unwrap();
        let mut second = state.read_passwords().unwrap();
        let kept = second.get_or_insert("default/office/1001", || Ok::<_, Infallible>("other".into()));
        assert_eq!(kept, Ok(made.as_str()));
    }

    #[test]
    fn passwords_have_sixteen_distinguishable_characters_and_differ() {
        let (one, two) = (random_password().unwrap(), random_password().unwrap());
        assert_ne!(one, two);
        assert_eq!(one.len(), 16);
        assert!(one.bytes().all(|b| ALPHABET.contains(&b)), "{one}");
    }

    #[test]
    fn a_damaged_file_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let state = StateDir::new(Some(directory.path().to_owned())).unwrap();
        std::fs::write(directory.path().join("passwords.json"), "{").unwrap();
        let message = state.read_passwords().unwrap_err().to_string();
        assert!(message.contains("passwords.json is damaged"), "{message}");
    }
}
