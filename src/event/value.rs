//! `MediaEventValue`: what an event or an attribute carries, the part of `PROPVARIANT` that Media Foundation uses there.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use crate::async_result::Unknown;
use crate::guid::Guid;

/// The value of an event, or of one of its attributes. Cheap to clone.
///
/// ```
/// use mf_async::event::MediaEventValue;
///
/// let value = MediaEventValue::from("camera 2");
/// assert_eq!(value.as_str(), Some("camera 2"));
/// assert_eq!(value.as_i64(), None);
/// ```
#[doc(alias = "PROPVARIANT")]
#[derive(Clone, Default)]
#[non_exhaustive]
// In whole words: an event that is moved in odd pieces waits for the processor's store buffer.
#[repr(u64)]
pub enum MediaEventValue {
    /// Nothing.
    #[doc(alias = "VT_EMPTY")]
    #[default]
    Empty,
    /// True or false.
    #[doc(alias = "VT_BOOL")]
    Bool(bool),
    /// A signed 32-bit number.
    #[doc(alias = "VT_I4")]
    I4(i32),
    /// An unsigned 32-bit number.
    #[doc(alias = "VT_UI4")]
    U4(u32),
    /// A signed 64-bit number; times are such, in units of 100 ns.
    #[doc(alias = "VT_I8")]
    I8(i64),
    /// An unsigned 64-bit number.
    #[doc(alias = "VT_UI8")]
    U8(u64),
    /// A floating-point number of 32 bits.
    #[doc(alias = "VT_R4")]
    R4(f32),
    /// A floating-point number of 64 bits.
    #[doc(alias = "VT_R8")]
    R8(f64),
    /// A name.
    #[doc(alias = "VT_CLSID")]
    Guid(Guid),
    /// A text.
    #[doc(alias = "VT_LPWSTR")]
    String(Arc<str>),
    /// Bytes.
    #[doc(alias = "VT_VECTOR")]
    #[doc(alias = "VT_UI1")]
    Blob(Arc<[u8]>),
    /// Any object.
    #[doc(alias = "VT_UNKNOWN")]
    Unknown(Unknown),
}

impl MediaEventValue {
    /// An object of any type, to be read by [`as_object`](MediaEventValue::as_object).
    pub fn object<T: Any + Send + Sync>(object: T) -> MediaEventValue {
        MediaEventValue::Unknown(Arc::new(object))
    }

    /// Whether nothing is carried.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(self, MediaEventValue::Empty)
    }

    /// The signed 64-bit number, if it is one; times are such.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        if let MediaEventValue::I8(number) = self { Some(*number) } else { None }
    }

    /// The unsigned 32-bit number, if it is one.
    #[must_use]
    pub fn as_u32(&self) -> Option<u32> {
        if let MediaEventValue::U4(number) = self { Some(*number) } else { None }
    }

    /// The text, if it is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        if let MediaEventValue::String(text) = self { Some(text) } else { None }
    }

    /// The bytes, if it is bytes.
    #[must_use]
    pub fn as_bytes(&self) -> Option<&[u8]> {
        if let MediaEventValue::Blob(bytes) = self { Some(bytes) } else { None }
    }

    /// The object, if it is one and a `T`, to be kept: no copy of it is made.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use mf_async::event::MediaEventValue;
    ///
    /// let samples: Arc<Vec<f32>> = MediaEventValue::object(vec![0.5_f32; 3]).as_shared().unwrap();
    /// assert_eq!(samples.len(), 3);
    /// ```
    #[must_use]
    pub fn as_shared<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        if let MediaEventValue::Unknown(object) = self { object.clone().downcast().ok() } else { None }
    }

    /// The object, if it is one and a `T`.
    #[must_use]
    pub fn as_object<T: Any + Send + Sync>(&self) -> Option<&T> {
        if let MediaEventValue::Unknown(object) = self { object.downcast_ref() } else { None }
    }
}

/// Objects are equal if they are the same object; numbers and texts by value.
impl PartialEq for MediaEventValue {
    fn eq(&self, other: &MediaEventValue) -> bool {
        use MediaEventValue::{Blob, Bool, Empty, Guid, I4, I8, R4, R8, String, U4, U8, Unknown};
        match (self, other) {
            (Empty, Empty) => true,
            (Bool(left), Bool(right)) => left == right,
            (I4(left), I4(right)) => left == right,
            (U4(left), U4(right)) => left == right,
            (I8(left), I8(right)) => left == right,
            (U8(left), U8(right)) => left == right,
            (R4(left), R4(right)) => left == right,
            (R8(left), R8(right)) => left == right,
            (Guid(left), Guid(right)) => left == right,
            (String(left), String(right)) => left == right,
            (Blob(left), Blob(right)) => left == right,
            (Unknown(left), Unknown(right)) => Arc::ptr_eq(left, right),
            _ => false,
        }
    }
}

impl fmt::Debug for MediaEventValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MediaEventValue::Empty => f.write_str("Empty"),
            MediaEventValue::Bool(value) => write!(f, "Bool({value})"),
            MediaEventValue::I4(value) => write!(f, "I4({value})"),
            MediaEventValue::U4(value) => write!(f, "U4({value})"),
            MediaEventValue::I8(value) => write!(f, "I8({value})"),
            MediaEventValue::U8(value) => write!(f, "U8({value})"),
            MediaEventValue::R4(value) => write!(f, "R4({value})"),
            MediaEventValue::R8(value) => write!(f, "R8({value})"),
            MediaEventValue::Guid(value) => write!(f, "{value:?}"),
            MediaEventValue::String(value) => write!(f, "String({value:?})"),
            MediaEventValue::Blob(value) => write!(f, "Blob({} bytes)", value.len()),
            MediaEventValue::Unknown(_) => f.write_str("Unknown(..)"),
        }
    }
}

macro_rules! from {
    ($($source:ty => $variant:ident;)*) => {
        $(impl From<$source> for MediaEventValue {
            fn from(value: $source) -> MediaEventValue {
                MediaEventValue::$variant(value.into())
            }
        })*
    };
}

from! {
    bool => Bool;
    i32 => I4;
    u32 => U4;
    i64 => I8;
    u64 => U8;
    f32 => R4;
    f64 => R8;
    Guid => Guid;
    &str => String;
    String => String;
    &[u8] => Blob;
    Vec<u8> => Blob;
    Unknown => Unknown;
}
