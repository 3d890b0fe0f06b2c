//! Header field names: an open set with compact forms (RFC 3261 section 7.3.3 and later registrations).

use std::fmt;
use std::sync::LazyLock;

macro_rules! headers {
    ($($name:ident $text:literal $lower:literal $($compact:literal)?;)*) => {
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

        /// Every name and compact form, in lower case.
        const KNOWN: &[(Header, &[u8])] = &[$((Header::$name, $lower), $((Header::$name, $compact),)?)*];
    };
}

headers! {
    Via "Via" b"via" b"v";
    From "From" b"from" b"f";
    To "To" b"to" b"t";
    CallId "Call-ID" b"call-id" b"i";
    CSeq "CSeq" b"cseq";
    Contact "Contact" b"contact" b"m";
    MaxForwards "Max-Forwards" b"max-forwards";
    Route "Route" b"route";
    RecordRoute "Record-Route" b"record-route";
    ContentType "Content-Type" b"content-type" b"c";
    ContentLength "Content-Length" b"content-length" b"l";
    ContentEncoding "Content-Encoding" b"content-encoding" b"e";
    ContentDisposition "Content-Disposition" b"content-disposition";
    Expires "Expires" b"expires";
    MinExpires "Min-Expires" b"min-expires";
    Authorization "Authorization" b"authorization";
    WwwAuthenticate "WWW-Authenticate" b"www-authenticate";
    ProxyAuthorization "Proxy-Authorization" b"proxy-authorization";
    ProxyAuthenticate "Proxy-Authenticate" b"proxy-authenticate";
    AuthenticationInfo "Authentication-Info" b"authentication-info";
    Accept "Accept" b"accept";
    Allow "Allow" b"allow";
    AllowEvents "Allow-Events" b"allow-events" b"u";
    Supported "Supported" b"supported" b"k";
    Require "Require" b"require";
    ProxyRequire "Proxy-Require" b"proxy-require";
    Unsupported "Unsupported" b"unsupported";
    UserAgent "User-Agent" b"user-agent";
    Server "Server" b"server";
    RetryAfter "Retry-After" b"retry-after";
    Reason "Reason" b"reason";
    Warning "Warning" b"warning";
    Path "Path" b"path";
    ServiceRoute "Service-Route" b"service-route";
    Event "Event" b"event" b"o";
    SubscriptionState "Subscription-State" b"subscription-state";
    ReferTo "Refer-To" b"refer-to" b"r";
    ReferredBy "Referred-By" b"referred-by" b"b";
    Replaces "Replaces" b"replaces";
    SessionExpires "Session-Expires" b"session-expires" b"x";
    MinSe "Min-SE" b"min-se";
    RSeq "RSeq" b"rseq";
    RAck "RAck" b"rack";
    AssertedIdentity "P-Asserted-Identity" b"p-asserted-identity";
    PreferredIdentity "P-Preferred-Identity" b"p-preferred-identity";
    Privacy "Privacy" b"privacy";
    Diversion "Diversion" b"diversion";
    HistoryInfo "History-Info" b"history-info";
    AlertInfo "Alert-Info" b"alert-info";
    CallInfo "Call-Info" b"call-info";
    Subject "Subject" b"subject" b"s";
    Date "Date" b"date";
    Timestamp "Timestamp" b"timestamp";
    RequestDisposition "Request-Disposition" b"request-disposition" b"d";
    AcceptContact "Accept-Contact" b"accept-contact" b"a";
    RejectContact "Reject-Contact" b"reject-contact" b"j";
    Identity "Identity" b"identity" b"y";
}

/// Slots of the table that names are looked up in: several times as many as names, so that few share one.
const SLOTS: usize = 512;

/// [`KNOWN`] by [`slot`]: its index plus one, 0 where there is nothing. Names that share a slot follow each other.
static TABLE: LazyLock<[u8; SLOTS]> = LazyLock::new(|| {
    let mut table = [0; SLOTS];
    for (number, (_, name)) in (1..).zip(KNOWN) {
        let free = (slot(name)..SLOTS).chain(0..SLOTS).find(|at| table.get(*at) == Some(&0));
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
        let start = slot(name);
        let entries =
            table.iter().skip(start).chain(table).map_while(|entry| usize::from(*entry).checked_sub(1));
        let mut candidates = entries.filter_map(|number| KNOWN.get(number));
        candidates.find(|(_, known)| known.eq_ignore_ascii_case(name)).map(|(header, _)| *header)
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
            assert!(name.len() == 1 || name.eq_ignore_ascii_case(header.as_str().as_bytes()), "{header}");
            assert!(!name.iter().any(u8::is_ascii_uppercase), "{header}");
            assert_eq!(Header::known(name), Some(*header));
            assert_eq!(Header::known(&name.to_ascii_uppercase()), Some(*header));
        }
    }

    #[test]
    fn names_are_found_at_once() {
        let direct = KNOWN.iter().filter(|(_, name)| {
            TABLE[slot(name)].checked_sub(1).is_some_and(|number| KNOWN[usize::from(number)].1 == *name)
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
