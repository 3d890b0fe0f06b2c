//! Names as Kubernetes has them where a spec passes them on.

/// A DNS subdomain (RFC 1123).
pub(super) fn is_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(voip_api::text::is_label_1123)
}

/// Key of a label, annotation or taint: `name` or `example.com/name`.
pub(super) fn is_qualified(text: &str) -> bool {
    let (prefix, name) = text.split_once('/').map_or((None, text), |(prefix, name)| (Some(prefix), name));
    prefix.is_none_or(is_subdomain) && !name.is_empty() && is_label_value(name)
}

/// Value of a label; may be empty.
pub(super) fn is_label_value(text: &str) -> bool {
    let end = |c: char| c.is_ascii_alphanumeric();
    text.is_empty()
        || text.len() <= 63
            && text.starts_with(end)
            && text.ends_with(end)
            && text.chars().all(|c| end(c) || "-_.".contains(c))
}
