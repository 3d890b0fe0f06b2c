//! Tags, branches and Call-IDs: unguessable, and readable as to whose they are.
//!
//! A token is `o`, the incarnation of its maker in 16 hexadecimal digits, `.`, and 16 digits that nobody without the
//! seed can foretell (RFC 3261 section 19.3). So a request or response that lands on another process can be sent on
//! to the one that owns its dialog or transaction.

use crate::mac;
use crate::via::MAGIC_COOKIE;

/// Makes tokens, the same ones from the same seed.
pub struct TokenSource {
    seed: [u8; 32],
    incarnation: u64,
    made: u64,
    /// What is left of the last HMAC.
    pool: [[u8; 8]; 4],
    left: usize,
}

impl TokenSource {
    /// A source whose tokens name `incarnation`. The seed must be secret and never used twice.
    pub fn new(seed: [u8; 32], incarnation: u64) -> Self {
        Self { seed, incarnation, made: 0, pool: [[0; 8]; 4], left: 0 }
    }

    /// A new tag or Call-ID.
    pub fn token(&mut self) -> String {
        compose(self.incarnation, self.random())
    }

    /// A new branch.
    pub fn branch(&mut self) -> String {
        format!("{MAGIC_COOKIE}{}", self.token())
    }

    /// The tag that belongs to `of`: the same whenever it is asked for, as an element without state needs it
    /// (section 8.2.7).
    pub fn tag_for(&self, of: &[u8]) -> String {
        let block = mac::hmac(&self.seed, &[b"tag", of]);
        compose(self.incarnation, block.first_chunk().copied().unwrap_or_default())
    }

    /// A new number of 64 random bits.
    pub fn number(&mut self) -> u64 {
        u64::from_be_bytes(self.random())
    }

    fn random(&mut self) -> [u8; 8] {
        if self.left == 0 {
            let block = mac::hmac(&self.seed, &[b"token", &self.made.to_be_bytes()]);
            let (chunks, _) = block.as_chunks::<8>();
            for (to, from) in self.pool.iter_mut().zip(chunks) {
                *to = *from;
            }
            self.made = self.made.wrapping_add(1);
            self.left = self.pool.len();
        }
        self.left = self.left.saturating_sub(1);
        self.pool.get(self.left).copied().unwrap_or_default()
    }
}

fn compose(incarnation: u64, random: [u8; 8]) -> String {
    format!("o{incarnation:016x}.{:016x}", u64::from_be_bytes(random))
}

/// The incarnation that made `token`, a tag, branch or Call-ID; `None` when it is not of our making.
pub fn owner_of(token: &str) -> Option<u64> {
    let token = token.strip_prefix(MAGIC_COOKIE).unwrap_or(token);
    let (owner, random) = token.strip_prefix('o')?.split_once('.')?;
    let digits = |text: &str| {
        text.len() == 16 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    if !digits(owner) || !digits(random) {
        return None;
    }
    u64::from_str_radix(owner, 16).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn tokens_differ_repeat_from_the_seed_and_name_their_owner() {
        let mut source = TokenSource::new([7; 32], 0xabc);
        let made: Vec<String> = (0..1000).map(|_| source.token()).collect();
        assert_eq!(made.iter().collect::<HashSet<_>>().len(), 1000);
        assert!(made.iter().all(|token| owner_of(token) == Some(0xabc)));
        let mut again = TokenSource::new([7; 32], 0xabc);
        assert!(made.iter().all(|token| *token == again.token()));
        assert_ne!(TokenSource::new([8; 32], 0xabc).token(), made[0]);
    }

    #[test]
    fn branches_are_tokens_with_the_cookie() {
        let mut source = TokenSource::new([1; 32], u64::MAX);
        let branch = source.branch();
        assert!(branch.starts_with("z9hG4bKo"));
        assert_eq!(owner_of(&branch), Some(u64::MAX));
        assert_eq!(source.tag_for(b"a"), source.tag_for(b"a"));
        assert_ne!(source.tag_for(b"a"), source.tag_for(b"b"));
    }

    #[test]
    fn foreign_tokens_have_no_owner() {
        for foreign in [
            "",
            "o",
            "z9hG4bK",
            "z9hG4bK776asdhds",
            "o0000000000000abc",
            "o0000000000000ABC.0000000000000000",
        ] {
            assert_eq!(owner_of(foreign), None, "{foreign}");
        }
    }
}
