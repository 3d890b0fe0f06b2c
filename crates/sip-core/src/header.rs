//! Header field names: an open set with compact forms (RFC 3261 section 7.3.3 and later registrations).

use std::fmt;
use std::sync::LazyLock;

macro_rules! headers {
    ($($name:ident $text:literal $($compact:literal)?;)*) => {
        /// The name of a header field. Equality is by variant; matching against a message ignores case and knows
        /// compact forms.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Header {
            $(#[doc = concat!("`", $text, "`")] $name,)*
            /// A field that this crate has no name for.
            Other(&'static str),
        }

        impl Header {
            /// As it is written.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                    Self::Other(text) => text,
                }
            }

        }

        /// Every name and compact form.
        const KNOWN: &[(Header, &str)] = &[$((Header::$name, $text), $((Header::$name, $compact),)?)*];
    };
}

headers! {
    Via "Via" "v";
    From "From" "f";
    To "To" "t";
    CallId "Call-ID" "i";
    CSeq "CSeq";
    Contact "Contact" "m";
    MaxForwards "Max-Forwards";
    Route "Route";
    RecordRoute "Record-Route";
    ContentType "Content-Type" "c";
    ContentLength "Content-Length" "l";
    ContentEncoding "Content-Encoding" "e";
    ContentDisposition "Content-Disposition";
    Expires "Expires";
    MinExpires "Min-Expires";
    Authorization "Authorization";
    WwwAuthenticate "WWW-Authenticate";
    ProxyAuthorization "Proxy-Authorization";
    ProxyAuthenticate "Proxy-Authenticate";
    AuthenticationInfo "Authentication-Info";
    Accept "Accept";
    Allow "Allow";
    AllowEvents "Allow-Events" "u";
    Supported "Supported" "k";
    Require "Require";
    ProxyRequire "Proxy-Require";
    Unsupported "Unsupported";
    UserAgent "User-Agent";
    Server "Server";
    RetryAfter "Retry-After";
    Reason "Reason";
    Warning "Warning";
    Path "Path";
    ServiceRoute "Service-Route";
    Event "Event" "o";
    SubscriptionState "Subscription-State";
    ReferTo "Refer-To" "r";
    ReferredBy "Referred-By" "b";
    Replaces "Replaces";
    SessionExpires "Session-Expires" "x";
    MinSe "Min-SE";
    RSeq "RSeq";
    RAck "RAck";
    AssertedIdentity "P-Asserted-Identity";
    PreferredIdentity "P-Preferred-Identity";
    Privacy "Privacy";
    Diversion "Diversion";
    HistoryInfo "History-Info";
    AlertInfo "Alert-Info";
    CallInfo "Call-Info";
    Subject "Subject" "s";
    Date "Date";
    Timestamp "Timestamp";
    RequestDisposition "Request-Disposition" "d";
    AcceptContact "Accept-Contact" "a";
    RejectContact "Reject-Contact" "j";
    Identity "Identity" "y";
}

/// Slots of the table that names are looked up in: several times as many as names, so that few share one.
const SLOTS: usize = 512;

/// [`KNOWN`] by [`slot`]: its index plus one, 0 where there is nothing. Names that share a slot follow each other.
static TABLE: LazyLock<[u8; SLOTS]> = LazyLock::new(|| {
    let mut table = [0; SLOTS];
    for (number, (_, name)) in (1..).zip(KNOWN) {
        let free = (slot(name.as_bytes())..SLOTS).chain(0..SLOTS).find(|at| table.get(*at) == Some(&0));
        if let Some(entry) = free.and_then(|at| table.get_mut(at)) {
            *entry = number;
        }
    }
    table
});

/// Where a name's search begins: from its length and three of its letters, in either case.
fn slot(name: &[u8]) -> usize {
    let letter = |at: usize| usize::from(name.get(at).copied().unwrap_or(0) | 0x20);
    let last = name.len().saturating_sub(1);
    (name.len() * 37 + letter(0) * 5 + letter(last / 2) * 19 + letter(last) * 61) % SLOTS
}

impl Header {
    /// The known field that `name` means, in any case and in compact form.
    pub fn known(name: &[u8]) -> Option<Self> {
        let table = &*TABLE;
        let mut at = slot(name);
        for _ in 0..SLOTS {
            let number = usize::from(table.get(at).copied()?).checked_sub(1)?;
            let (header, known) = KNOWN.get(number)?;
            let known = known.as_bytes();
            // Nearly everybody writes it as the RFC does.
            if known == name || known.eq_ignore_ascii_case(name) {
                return Some(*header);
            }
            at = (at + 1) % SLOTS;
        }
        None
    }

    /// The same field, under its own variant when it was named by text.
    pub(crate) fn resolved(self) -> Self {
        match self {
            Self::Other(name) => Self::known(name.as_bytes()).unwrap_or(self),
            known => known,
        }
    }
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_in_any_case() {
        for (header, name) in KNOWN {
            assert!(name.len() == 1 || *name == header.as_str(), "{header}");
            for name in [name.to_ascii_lowercase(), name.to_ascii_uppercase()] {
                assert_eq!(Header::known(name.as_bytes()), Some(*header), "{name}");
            }
        }
    }

    #[test]
    fn names_are_found_at_once() {
        let direct = KNOWN.iter().filter(|(_, name)| {
            let number = TABLE[slot(name.as_bytes())].checked_sub(1);
            number.is_some_and(|number| KNOWN[usize::from(number)].1 == *name)
        });
        assert!(direct.count() * 10 > KNOWN.len() * 8, "most of them");
    }

    #[test]
    fn compact_forms_and_strangers() {
        assert_eq!(Header::known(b"V"), Some(Header::Via));
        assert_eq!(Header::known(b"i"), Some(Header::CallId));
        assert_eq!(Header::known(b"z"), None);
        assert_eq!(Header::known(&[b'x'; 100]), None);
        assert_eq!(Header::Other("call-id").resolved(), Header::CallId);
    }
}
