//! Promise: a value is what was put in, and nothing else: events' values, names and codes keep what they are,
//! compare as one expects, and an error keeps its code on the way through `std::io` and back.

use std::any::Any;
use std::io;
use std::sync::Arc;

use mf_async::event::MediaEventValue;
use mf_async::{Error, Guid, Hresult, MediaEvent, MediaEventType, Unknown};

fn all() -> Vec<(MediaEventValue, &'static str)> {
    let name = Guid::from_u128(0x1234);
    vec![
        (MediaEventValue::Empty, "Empty"),
        (true.into(), "Bool(true)"),
        ((-1_i32).into(), "I4(-1)"),
        (1_u32.into(), "U4(1)"),
        ((-1_i64).into(), "I8(-1)"),
        (1_u64.into(), "U8(1)"),
        (0.5_f32.into(), "R4(0.5)"),
        (0.5_f64.into(), "R8(0.5)"),
        (name.into(), "Guid(00000000-0000-0000-0000-000000001234)"),
        ("text".into(), "String(\"text\")"),
        (vec![1_u8, 2].into(), "Blob(2 bytes)"),
        (MediaEventValue::object(5_u16), "Unknown(..)"),
    ]
}

#[test]
fn a_value_is_itself_and_no_other() {
    for (at, (value, shown)) in all().into_iter().enumerate() {
        assert_eq!(format!("{value:?}"), shown);
        assert_eq!(value.is_empty(), at == 0);
        for (other_at, (other, _)) in all().into_iter().enumerate() {
            // Two objects are the same only if they are one.
            assert_eq!(value == other, at == other_at && shown != "Unknown(..)", "{value:?} {other:?}");
        }
        assert_eq!(value, value.clone());
    }
}

#[test]
fn a_value_is_read_as_what_it_is() {
    let values: Vec<_> = all().into_iter().map(|(value, _)| value).collect();
    let only = |at: usize, read: &dyn Fn(&MediaEventValue) -> bool| {
        for (other, value) in values.iter().enumerate() {
            assert_eq!(read(value), at == other, "{value:?}");
        }
    };
    only(3, &|value| value.as_u32() == Some(1));
    only(4, &|value| value.as_i64() == Some(-1));
    only(9, &|value| value.as_str() == Some("text"));
    only(10, &|value| value.as_bytes() == Some(&[1, 2]));
    only(11, &|value| value.as_object::<u16>() == Some(&5));
    assert_eq!(values[11].as_object::<u32>(), None);
    only(11, &|value| value.as_shared::<u16>().as_deref() == Some(&5));
    assert_eq!(values[11].as_shared::<u32>(), None);
}

#[test]
fn an_event_shows_what_it_carries() {
    let event = MediaEvent::new(MediaEventType::MEError).with_status(Hresult::E_FAIL).with_value(7_i64);
    let shown = format!("{event:?}");
    assert!(shown.contains("MEError") && shown.contains("E_FAIL") && shown.contains("I8(7)"), "{shown}");
    assert!(!shown.contains("attributes"), "{shown}");
    let name = Guid::from_u128(9);
    let extended = MediaEvent::extended(name).with_attribute(name, "more");
    let shown = format!("{extended:?}");
    assert!(shown.contains("attributes") && shown.contains("more"), "{shown}");
    assert_eq!(format!("{:?}", MediaEventType(3)), format!("MediaEventType({})", MediaEventType(3)));
    assert_eq!(u32::from(MediaEventType(0x1234_5678)), 0x1234_5678);
}

#[test]
fn a_name_is_a_number_and_a_text() {
    let name: Guid = "{6B29FC40-CA47-1067-B31D-00DD010662DA}".parse().unwrap();
    assert_eq!(Guid::from(u128::from(name)), name);
    assert_eq!(format!("{name:?}"), format!("Guid({name})"));
    assert_eq!(u32::from(Hresult::E_FAIL), 0x8000_4005);
}

#[test]
fn an_error_keeps_its_code_through_io_and_back() {
    let kinds = [
        (Hresult::ERROR_FILE_NOT_FOUND, io::ErrorKind::NotFound),
        (Hresult::ERROR_PATH_NOT_FOUND, io::ErrorKind::NotFound),
        (Hresult::ERROR_FILE_EXISTS, io::ErrorKind::AlreadyExists),
        (Hresult::E_ACCESSDENIED, io::ErrorKind::PermissionDenied),
        (Hresult::E_INVALIDARG, io::ErrorKind::InvalidInput),
        (Hresult::E_NOTIMPL, io::ErrorKind::Unsupported),
        (Hresult::MF_E_BYTESTREAM_NOT_SEEKABLE, io::ErrorKind::Unsupported),
        (Hresult::ERROR_HANDLE_EOF, io::ErrorKind::UnexpectedEof),
        (Hresult::ERROR_TIMEOUT, io::ErrorKind::TimedOut),
        (Hresult::E_OUTOFMEMORY, io::ErrorKind::OutOfMemory),
        (Hresult::MF_E_SHUTDOWN, io::ErrorKind::NotConnected),
        (Hresult::E_FAIL, io::ErrorKind::Other),
    ];
    for (code, kind) in kinds {
        let theirs = io::Error::from(Error::new(code, "try something"));
        assert_eq!(theirs.kind(), kind, "{code}");
        let ours = Error::from(theirs);
        assert_eq!((ours.hresult(), ours.what()), (code, "try something"));
    }
}

#[test]
fn an_error_of_the_systems_has_the_code_that_windows_has_for_it() {
    let codes = [
        (io::ErrorKind::NotFound, Hresult::ERROR_FILE_NOT_FOUND),
        (io::ErrorKind::AlreadyExists, Hresult::ERROR_FILE_EXISTS),
        (io::ErrorKind::PermissionDenied, Hresult::E_ACCESSDENIED),
        (io::ErrorKind::InvalidInput, Hresult::E_INVALIDARG),
        (io::ErrorKind::Unsupported, Hresult::E_NOTIMPL),
        (io::ErrorKind::UnexpectedEof, Hresult::ERROR_HANDLE_EOF),
        (io::ErrorKind::TimedOut, Hresult::ERROR_TIMEOUT),
        (io::ErrorKind::StorageFull, Hresult::ERROR_DISK_FULL),
        (io::ErrorKind::OutOfMemory, Hresult::E_OUTOFMEMORY),
        (io::ErrorKind::BrokenPipe, Hresult::E_FAIL),
    ];
    for (kind, code) in codes {
        let error = Error::from(io::Error::new(kind, "the system's words"));
        assert_eq!(error.hresult(), code, "{kind:?}");
        assert!(error.what().contains("the system's words"), "{error}");
        assert!(std::error::Error::source(&error).is_some());
        assert!(error.into_panic().is_none());
    }
}

#[test]
fn an_object_is_compared_by_identity() {
    let object: Unknown = Arc::new(1_u8);
    let (left, right) = (MediaEventValue::Unknown(object.clone()), MediaEventValue::Unknown(object));
    assert_eq!(left, right);
    let other: Arc<dyn Any + Send + Sync> = Arc::new(1_u8);
    assert!(left != MediaEventValue::Unknown(other));
}
