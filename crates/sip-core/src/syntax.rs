//! The lexical pieces that header fields share (RFC 3261 section 25.1). Knows no field.

/// Whether `byte` may stand in a `token`.
fn is_token_byte(byte: u8) -> bool {
    let other = matches!(byte, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~');
    byte.is_ascii_alphanumeric() || other
}

/// Whether `bytes` is a `token`.
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|b| is_token_byte(*b))
}

/// Without linear white space at either end.
pub(crate) fn trim(bytes: &[u8]) -> &[u8] {
    bytes.trim_ascii()
}

/// `bytes` before and after the first `separator` that is neither in a quoted string nor in angle brackets.
pub(crate) fn split_once(bytes: &[u8], separator: u8) -> (&[u8], Option<&[u8]>) {
    let Some(at) = find_outside(bytes, separator) else { return (bytes, None) };
    (bytes.get(..at).unwrap_or_default(), bytes.get(at + 1..))
}

/// Where `wanted` first stands outside quoted strings and angle brackets.
pub(crate) fn find_outside(bytes: &[u8], wanted: u8) -> Option<usize> {
    // Most values have neither before it.
    let first = memchr::memchr(wanted, bytes)?;
    if memchr::memchr2(b'"', b'<', bytes.get(..first)?).is_none() {
        return Some(first);
    }
    let mut quoted = false;
    let mut bracketed = false;
    let mut escaped = false;
    for (at, byte) in bytes.iter().copied().enumerate() {
        if escaped {
            escaped = false;
        } else if quoted {
            match byte {
                b'\\' => escaped = true,
                b'"' => quoted = false,
                _ => {}
            }
        } else if byte == wanted && !bracketed {
            return Some(at);
        } else {
            match byte {
                b'"' if !bracketed => quoted = true,
                b'<' => bracketed = true,
                b'>' => bracketed = false,
                _ => {}
            }
        }
    }
    None
}

/// The elements of a comma-separated list; empty ones are skipped (section 7.3.1 and the `#rule` of old).
pub(crate) fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(value);
    std::iter::from_fn(move || {
        let (element, more) = split_once(rest?, b',');
        rest = more;
        Some(trim(element))
    })
    .filter(|element| !element.is_empty())
}

/// The content of a quoted string that fills `bytes`, escapes resolved; `None` when it is not one.
pub(crate) fn unquote(bytes: &[u8]) -> Option<Vec<u8>> {
    let inner = bytes.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    let mut out = Vec::with_capacity(inner.len());
    let mut source = inner.iter().copied();
    while let Some(byte) = source.next() {
        match byte {
            b'\\' => out.push(source.next()?),
            b'"' => return None,
            _ => out.push(byte),
        }
    }
    Some(out)
}

/// `text` as a quoted string. Control characters, which no quoted string may hold, become spaces.
pub(crate) fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => {
                out.push('\\');
                out.push(character);
            }
            c if c.is_ascii_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A decimal number without sign; `None` for anything else or more than `u32::MAX`.
pub(crate) fn number(bytes: &[u8]) -> Option<u32> {
    if bytes.is_empty() {
        return None;
    }
    bytes.iter().try_fold(0_u32, |sum, byte| {
        let digit = byte.is_ascii_digit().then(|| u32::from(byte - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_in_quotes_and_brackets_do_not_separate() {
        let value = br#""Watson, \", Mr" <sip:a@b;x=1,2>;q=0.7 , , <sip:c@d>"#;
        let found: Vec<&[u8]> = elements(value).collect();
        assert_eq!(found, [&br#""Watson, \", Mr" <sip:a@b;x=1,2>;q=0.7"#[..], b"<sip:c@d>"]);
    }

    #[test]
    fn quoting_and_unquoting_are_inverse() {
        for text in ["", "a", "a\"b\\c", "ü, <x>"] {
            assert_eq!(unquote(quote(text).as_bytes()).unwrap(), text.as_bytes());
        }
        for bad in [&b"\""[..], b"abc", b"\"a\"b\"", b"\"a\\\""] {
            assert_eq!(unquote(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn numbers_have_digits_only_and_fit() {
        assert_eq!(number(b"4294967295"), Some(u32::MAX));
        for bad in [&b""[..], b"+1", b"-1", b"4294967296", b"1 ", b"0x1"] {
            assert_eq!(number(bad), None, "{bad:?}");
        }
    }
}
