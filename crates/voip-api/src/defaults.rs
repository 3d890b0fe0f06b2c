//! Defaults of optional fields, as functions because serde asks for functions.

pub(crate) fn yes() -> bool {
    true
}

pub(crate) fn priority() -> i32 {
    100
}

pub(crate) fn context() -> String {
    "internal".to_owned()
}

pub(crate) fn contexts() -> Vec<String> {
    vec![context()]
}

pub(crate) fn four() -> u32 {
    4
}

pub(crate) fn password_key() -> String {
    "password".to_owned()
}

pub(crate) fn once() -> u32 {
    1
}

pub(crate) fn ring_seconds() -> u32 {
    30
}

pub(crate) fn declined() -> u16 {
    603
}
