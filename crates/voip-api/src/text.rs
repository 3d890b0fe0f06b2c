//! The forms of names and addresses: each as the pattern that the CRD carries and as the function that
//! `voip_plan::validate` uses. A test holds the two against each other.

/// A label that begins with a letter (RFC 1035).
pub const LABEL_1035: &str = "^[a-z]([-a-z0-9]*[a-z0-9])?$";
/// A label (RFC 1123).
pub const LABEL_1123: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";
/// A user name, also the user part of the SIP address.
pub const USERNAME: &str = "^[A-Za-z0-9_.+-]+$";
/// What a phone can dial.
pub const NUMBER: &str = "^[A-Za-z0-9_.+*#-]+$";
/// A number, or nothing.
pub const OPTIONAL_NUMBER: &str = "^[A-Za-z0-9_.+*#-]*$";
/// A name that people read: no control characters, no quotes that would need escaping in a header.
pub const DISPLAY_NAME: &str = r#"^[^\x00-\x1f\x7f"\\]*$"#;
/// A host name or IPv4 address, or nothing.
pub const REALM: &str = "^[A-Za-z0-9._-]*$";
/// A host name or IPv4 address.
pub const DOMAIN: &str = "^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$";
/// First and last port.
pub const PORT_RANGE: &str = "^[0-9]{4,5}-[0-9]{4,5}$";
/// `exact`, `prefix*`, `*suffix` or `*`, with `\*` for a star that is dialled; `dialplan::Pattern` reads it.
pub const PATTERN: &str = r"^(\*|\*?(\\[*\\]|[^*\\\s])+|(\\[*\\]|[^*\\\s])+\*)$";
/// Whom `dial` calls; `dialplan::Target` is read from it.
pub const TARGET: &str = r"^user/([^\s/@${}]|\$\{destination\})+$";
/// Name of a prompt.
pub const PROMPT: &str = "^[A-Za-z0-9_-]+$";
/// 1 % to 100 %.
pub const PERCENT: &str = "^([1-9][0-9]?|100)%$";
/// A quantity of Kubernetes, or nothing.
pub const OPTIONAL_QUANTITY: &str = "^([0-9]+([.][0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?)?$";

/// [`LABEL_1035`].
pub fn is_label_1035(text: &str) -> bool {
    is_label_1123(text) && text.starts_with(|c: char| c.is_ascii_lowercase())
}

/// [`LABEL_1123`].
pub fn is_label_1123(text: &str) -> bool {
    let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.starts_with(letter) && text.ends_with(letter) && text.chars().all(|c| letter(c) || c == '-')
}

/// [`USERNAME`].
pub fn is_username(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "_.+-".contains(c))
}

/// [`NUMBER`].
pub fn is_number(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "_.+*#-".contains(c))
}

/// [`DISPLAY_NAME`].
pub fn is_display_name(text: &str) -> bool {
    !text.contains(|c: char| c.is_ascii_control() || c == '"' || c == '\\')
}

/// [`REALM`].
pub fn is_realm(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}

/// [`DOMAIN`].
pub fn is_domain(text: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphanumeric();
    text.starts_with(letter)
        && text.ends_with(letter)
        && text.chars().all(|c| letter(c) || c == '.' || c == '-')
}

/// [`PORT_RANGE`]: first and last port, whatever they are.
pub fn port_range(text: &str) -> Option<(u16, u16)> {
    let number = |part: &str| {
        let digits = (4..=5).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        if digits { part.parse().ok() } else { None }
    };
    let (first, last) = text.split_once('-')?;
    Some((number(first)?, number(last)?))
}

/// [`PERCENT`].
pub fn percent(text: &str) -> Option<u32> {
    let digits = text.strip_suffix('%')?;
    let plain = digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
    let value = digits.parse().ok().filter(|value| (1..=100).contains(value));
    if plain { value } else { None }
}
