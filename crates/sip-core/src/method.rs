//! Request methods: an open set.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::syntax;

macro_rules! methods {
    ($($name:ident $text:literal $rfc:literal;)*) => {
        /// A request method. Case matters (RFC 3261 section 7.1).
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(into = "String", try_from = "String")]
        pub enum Method {
            $(#[doc = concat!("`", $text, "`, RFC ", $rfc, ".")] $name,)*
            /// A method that this crate has no name for; a token.
            Other(Box<str>),
        }

        impl Method {
            /// The method named by `bytes`; `None` when that is no token.
            pub fn parse(bytes: &[u8]) -> Option<Self> {
                $(if bytes == $text.as_bytes() { return Some(Self::$name); })*
                if !syntax::is_token(bytes) {
                    return None;
                }
                std::str::from_utf8(bytes).ok().map(|text| Self::Other(text.into()))
            }

            /// As on the wire.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$name => $text,)*
                    Self::Other(text) => text,
                }
            }
        }
    };
}

methods! {
    Invite "INVITE" "3261";
    Ack "ACK" "3261";
    Bye "BYE" "3261";
    Cancel "CANCEL" "3261";
    Register "REGISTER" "3261";
    Options "OPTIONS" "3261";
    Prack "PRACK" "3262";
    Update "UPDATE" "3311";
    Info "INFO" "6086";
    Refer "REFER" "3515";
    Subscribe "SUBSCRIBE" "6665";
    Notify "NOTIFY" "6665";
    Message "MESSAGE" "3428";
    Publish "PUBLISH" "3903";
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<Method> for String {
    fn from(method: Method) -> Self {
        method.as_str().to_owned()
    }
}

/// A text that is no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a method must be a token")]
pub struct NotAMethod;

impl TryFrom<String> for Method {
    type Error = NotAMethod;

    fn try_from(text: String) -> Result<Self, NotAMethod> {
        Self::parse(text.as_bytes()).ok_or(NotAMethod)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_matters_and_strangers_are_kept() {
        assert_eq!(Method::parse(b"INVITE"), Some(Method::Invite));
        assert_eq!(Method::parse(b"invite"), Some(Method::Other("invite".into())));
        assert_eq!(Method::parse(b"!interesting-Method0123456789_*+`.%indeed'~").unwrap().as_str().len(), 43);
        assert_eq!(Method::parse(b""), None);
        assert_eq!(Method::parse(b"A B"), None);
    }
}
