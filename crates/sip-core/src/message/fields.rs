//! The fields that every element reads, decoded on demand (RFC 3261 section 20).

use std::fmt;

use super::{Message, ParseError};
use crate::header::Header;
use crate::method::Method;
use crate::name_addr::{self, NameAddr};
use crate::syntax;
use crate::via::{RawVia, Via};

/// The `CSeq` field (section 20.16).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CSeq {
    /// Sequence number, below 2^31 (section 8.1.1.5).
    pub number: u32,
    /// Method.
    pub method: Method,
}

impl fmt::Display for CSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number, self.method)
    }
}

/// The Contact fields together (section 20.10).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contacts {
    /// `*`: all bindings, in a REGISTER that removes them (section 10.2.2).
    Star,
    /// The addresses, in order; none when the field is not there.
    List(Vec<NameAddr>),
}

impl Contacts {
    /// The first address.
    pub fn first(&self) -> Option<&NameAddr> {
        match self {
            Self::Star => None,
            Self::List(list) => list.first(),
        }
    }
}

impl Message {
    /// The Call-ID; empty when it is not there or not UTF-8, which [`Message::validate`] refuses.
    pub fn call_id(&self) -> &str {
        self.header(Header::CallId).and_then(|value| std::str::from_utf8(value).ok()).unwrap_or("")
    }

    /// The `CSeq`.
    pub fn cseq(&self) -> Result<CSeq, ParseError> {
        let (number, method) = self.raw_cseq()?;
        let method = Method::parse(method).ok_or(ParseError::Field(Header::CSeq))?;
        Ok(CSeq { number, method })
    }

    /// Number and method of the `CSeq`, the method undecoded.
    pub(crate) fn raw_cseq(&self) -> Result<(u32, &[u8]), ParseError> {
        let value = self.required(Header::CSeq)?;
        let bad = ParseError::Field(Header::CSeq);
        let space = value.iter().position(u8::is_ascii_whitespace).ok_or(bad)?;
        let (number, method) = value.split_at_checked(space).ok_or(bad)?;
        let number = syntax::number(number).filter(|n| *n < 1 << 31).ok_or(bad)?;
        Ok((number, syntax::trim(method)))
    }

    /// From.
    #[allow(clippy::wrong_self_convention)] // "From" is the field.
    pub fn from(&self) -> Result<NameAddr, ParseError> {
        self.address(Header::From)
    }

    /// To.
    pub fn to(&self) -> Result<NameAddr, ParseError> {
        self.address(Header::To)
    }

    /// The tag of From.
    #[allow(clippy::wrong_self_convention)] // "From" is the field.
    pub fn from_tag(&self) -> Option<&str> {
        name_addr::tag_of(self.header(Header::From)?)
    }

    /// The tag of To.
    pub fn to_tag(&self) -> Option<&str> {
        name_addr::tag_of(self.header(Header::To)?)
    }

    /// The topmost Via.
    pub fn via(&self) -> Result<Via, ParseError> {
        Via::parse(self.list(Header::Via).next().ok_or(ParseError::Missing(Header::Via))?)
            .map_err(|_| ParseError::Field(Header::Via))
    }

    /// The topmost Via in pieces.
    pub(crate) fn raw_via(&self) -> Option<RawVia<'_>> {
        self.headers(Header::Via).find_map(|line| syntax::elements(line).next()).and_then(RawVia::parse)
    }

    /// The Contact fields.
    pub fn contacts(&self) -> Result<Contacts, ParseError> {
        let mut elements = self.list(Header::Contact);
        if self.header(Header::Contact) == Some(b"*") {
            elements.next();
            // `*` stands alone (section 10.3 step 6).
            return if elements.next().is_none() {
                Ok(Contacts::Star)
            } else {
                Err(ParseError::Field(Header::Contact))
            };
        }
        self.addresses(Header::Contact).map(Contacts::List)
    }

    /// The Record-Route fields, top first.
    pub fn record_routes(&self) -> Result<Vec<NameAddr>, ParseError> {
        self.addresses(Header::RecordRoute)
    }

    /// The Route fields, top first.
    pub fn routes(&self) -> Result<Vec<NameAddr>, ParseError> {
        self.addresses(Header::Route)
    }

    /// Every element of a field that lists addresses.
    pub fn addresses(&self, name: Header) -> Result<Vec<NameAddr>, ParseError> {
        self.list(name).map(|element| NameAddr::parse(element).map_err(|_| ParseError::Field(name))).collect()
    }

    /// Expires in seconds; `None` when it is not there or no number, which section 20.19 treats alike. What exceeds
    /// 2^32-1 counts as that.
    pub fn expires(&self) -> Option<u32> {
        let value = self.header(Header::Expires)?;
        let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
        digits.then(|| syntax::number(value).unwrap_or(u32::MAX))
    }

    /// Max-Forwards; what exceeds 255 counts as 255.
    pub fn max_forwards(&self) -> Option<u8> {
        let number = syntax::number(self.header(Header::MaxForwards)?)?;
        Some(u8::try_from(number).unwrap_or(u8::MAX))
    }

    /// Type and subtype of the body, in lower case, without parameters.
    pub fn content_type(&self) -> Option<String> {
        let (media, _) = syntax::split_once(self.header(Header::ContentType)?, b';');
        Some(String::from_utf8_lossy(syntax::trim(media)).to_ascii_lowercase())
    }

    /// Checks what section 8.1.1 asks of every request and section 8.2.6 of every response: the fields that
    /// transactions, dialogs and answers rest on are there, once, and can be decoded.
    pub fn validate(&self) -> Result<(), ParseError> {
        for name in [Header::CallId, Header::CSeq, Header::From, Header::To] {
            self.required(name)?;
            if self.headers(name).nth(1).is_some() {
                return Err(ParseError::Repeated(name));
            }
        }
        if self.call_id().is_empty() || self.call_id().bytes().any(|b| b <= b' ') {
            return Err(ParseError::Field(Header::CallId));
        }
        let (_, method) = self.raw_cseq()?;
        if self.is_request() {
            self.validate_request(method)?;
        } else if Method::parse(method).is_none() {
            return Err(ParseError::Field(Header::CSeq));
        }
        self.from()?;
        self.to()?;
        self.via()?;
        let readable = self.list(Header::Via).all(|via| RawVia::parse(via).is_some());
        if readable { Ok(()) } else { Err(ParseError::Field(Header::Via)) }
    }

    fn validate_request(&self, cseq_method: &[u8]) -> Result<(), ParseError> {
        let method = self.method();
        if cseq_method != method.as_str().as_bytes() {
            return Err(ParseError::MethodMismatch);
        }
        if self.request_uri()?.headers.is_some() {
            // Section 19.1.1: not allowed there, and nobody could say what they are to do.
            return Err(ParseError::RequestUri);
        }
        if self.headers(Header::MaxForwards).nth(1).is_some() {
            return Err(ParseError::Repeated(Header::MaxForwards));
        }
        if self.header(Header::MaxForwards).is_some_and(|value| syntax::number(value).is_none()) {
            return Err(ParseError::Field(Header::MaxForwards));
        }
        self.contacts().map(|_| ())
    }

    fn address(&self, name: Header) -> Result<NameAddr, ParseError> {
        NameAddr::parse(self.required(name)?).map_err(|_| ParseError::Field(name))
    }

    fn required(&self, name: Header) -> Result<&[u8], ParseError> {
        self.header(name).ok_or(ParseError::Missing(name))
    }
}
