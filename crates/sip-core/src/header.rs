//! Header field names: an open set with compact forms (RFC 3261 section 7.3.3 and later registrations).

use std::fmt;

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

            /// The known field with this name in lower case.
            fn of_lower_case(name: &[u8]) -> Option<Self> {
                match name {
                    $($lower $(| $compact)? => Some(Self::$name),)*
                    _ => None,
                }
            }
        }

        #[cfg(test)]
        const KNOWN: &[(Header, &[u8])] = &[$((Header::$name, $lower)),*];
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

/// No registered name is longer than this; a longer one is looked up nowhere.
const LONGEST: usize = 24;

impl Header {
    /// The known field that `name` means, in any case and in compact form.
    pub fn known(name: &[u8]) -> Option<Self> {
        let mut lower = [0_u8; LONGEST];
        let lower = lower.get_mut(..name.len())?;
        for (to, from) in lower.iter_mut().zip(name) {
            *to = from.to_ascii_lowercase();
        }
        Self::of_lower_case(lower)
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
        for (header, lower) in KNOWN {
            assert_eq!(lower.to_vec(), header.as_str().to_ascii_lowercase().as_bytes());
            assert!(lower.len() <= LONGEST, "{header}");
            assert_eq!(Header::known(lower), Some(*header));
            assert_eq!(Header::known(header.as_str().to_ascii_uppercase().as_bytes()), Some(*header));
        }
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
