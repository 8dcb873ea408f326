//! `Guid`: the 128-bit names of Media Foundation's attributes, extended event types and other things.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Hresult};

/// A 128-bit name, written as Windows writes it.
///
/// ```
/// use mf_async::Guid;
///
/// const KEY: Guid = Guid::from_u128(0x2cd0bd52_bcd5_4b89_b62c_eadc0c031e7d);
/// assert_eq!(KEY.to_string(), "2cd0bd52-bcd5-4b89-b62c-eadc0c031e7d");
/// assert_eq!("{2CD0BD52-BCD5-4B89-B62C-EADC0C031E7D}".parse::<Guid>()?, KEY);
/// # Ok::<(), mf_async::Error>(())
/// ```
#[doc(alias = "GUID")]
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Guid(u128);

impl Guid {
    /// All zeros: no name.
    #[doc(alias = "GUID_NULL")]
    pub const NULL: Guid = Guid(0);

    /// The name whose digits, read from left to right, are this number's.
    #[must_use]
    pub const fn from_u128(number: u128) -> Guid {
        Guid(number)
    }

    /// The number whose digits are the name's, read from left to right.
    #[must_use]
    pub const fn to_u128(self) -> u128 {
        self.0
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let group = |shift: u32, digits: u32| (self.0 >> shift) & ((1 << (4 * digits)) - 1);
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            group(96, 8),
            group(80, 4),
            group(64, 4),
            group(48, 4),
            group(0, 12)
        )
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Guid({self})")
    }
}

impl FromStr for Guid {
    type Err = Error;

    /// Reads the five groups of digits, with or without braces, in either case.
    ///
    /// # Errors
    /// `E_INVALIDARG` when the text has another form.
    fn from_str(text: &str) -> Result<Guid, Error> {
        let invalid = || Error::new(Hresult::E_INVALIDARG, format!("read {text:?} as a GUID"));
        let bare = match text.strip_prefix('{') {
            Some(rest) => rest.strip_suffix('}').ok_or_else(invalid)?,
            None => text,
        };
        let mut groups = bare.split('-');
        let mut number = 0;
        for digits in [8, 4, 4, 4, 12] {
            let group = groups.next().filter(|group| group.len() == digits).ok_or_else(invalid)?;
            if !group.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Err(invalid());
            }
            let value = u128::from_str_radix(group, 16).map_err(|_| invalid())?;
            number = number << (4 * digits) | value;
        }
        if groups.next().is_some() { Err(invalid()) } else { Ok(Guid(number)) }
    }
}

impl From<u128> for Guid {
    fn from(number: u128) -> Guid {
        Guid(number)
    }
}

impl From<Guid> for u128 {
    fn from(guid: Guid) -> u128 {
        guid.0
    }
}
