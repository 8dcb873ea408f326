//! The parts of a URL that a resolver reads: its scheme, its extension, and the path of a file.

use std::path::PathBuf;

use crate::error::{Error, Hresult, Result};

/// The scheme in lower case; `None` for a plain file name. A single letter is a drive, not a scheme.
pub(crate) fn scheme(url: &str) -> Option<String> {
    let (scheme, _) = url.split_once(':')?;
    let mut letters = scheme.chars();
    let first = letters.next()?;
    let rest = letters.as_str();
    let well_formed = first.is_ascii_alphabetic()
        && !rest.is_empty()
        && rest.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '+' | '-' | '.'));
    well_formed.then(|| scheme.to_ascii_lowercase())
}

/// The extension of the last part of the path, with its dot and in lower case.
pub(crate) fn extension(url: &str) -> Option<String> {
    let path = match scheme(url) {
        // A plain file name may contain these characters.
        None => url,
        Some(_) => url.split(['?', '#']).next()?,
    };
    let name = path.rsplit(['/', '\\']).next()?;
    let dot = name.rfind('.')?;
    Some(name.get(dot..)?.to_ascii_lowercase())
}

/// The path of a `file:` URL or of a plain file name.
pub(crate) fn file_path(url: &str) -> Result<PathBuf> {
    if scheme(url).is_none() {
        return Ok(PathBuf::from(url));
    }
    let wrong = |why: &str| Error::new(Hresult::E_INVALIDARG, format!("open {url}: {why}"));
    let rest = url.split_once(':').map_or(url, |(_, rest)| rest);
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let path = match rest.strip_prefix("//") {
        Some(with_host) => {
            let (host, path) = with_host.split_at(with_host.find('/').unwrap_or(with_host.len()));
            if !host.is_empty() && !host.eq_ignore_ascii_case("localhost") {
                return Err(wrong("the file is said to be on another machine"));
            }
            path
        }
        None => rest,
    };
    let path = percent_decoded(path).ok_or_else(|| wrong("it is not well formed"))?;
    if path.is_empty() || path.contains('\0') {
        return Err(wrong("it names no file"));
    }
    Ok(PathBuf::from(without_slash_before_drive(&path)))
}

/// The text with its percent escapes decoded; `None` when a percent sign is not followed by two digits, or the bytes are
/// not UTF-8.
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first == b'%' {
            let digits = after.get(..2).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = after.get(2..)?;
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

/// `/C:/music` is `C:/music` where there are drives.
fn without_slash_before_drive(path: &str) -> &str {
    let bytes = path.as_bytes();
    let drive = cfg!(windows) && bytes.len() >= 3 && bytes[0] == b'/' && bytes[2] == b':';
    if drive { &path[1..] } else { path }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{extension, file_path, scheme};
    use crate::error::Hresult;

    #[test]
    fn schemes_are_not_file_names() {
        for (url, expected) in [
            ("http://a/b", Some("http")),
            ("HTTP:b", Some("http")),
            ("ms-media+x.1:b", Some("ms-media+x.1")),
            ("C:\\music\\a.mp3", None),
            ("a/b.mp3", None),
            ("", None),
            (":", None),
            ("1a:b", None),
            ("a b:c", None),
            ("é:c", None),
        ] {
            assert_eq!(scheme(url).as_deref(), expected, "{url}");
        }
    }

    #[test]
    fn extensions_are_of_the_last_part() {
        for (url, expected) in [
            ("http://a.b/c.MP4?x=.y#.z", Some(".mp4")),
            ("http://a.b/c", None),
            ("C:\\a.b\\c.Wav", Some(".wav")),
            ("what?.mp3", Some(".mp3")),
            ("x.", Some(".")),
            ("", None),
        ] {
            assert_eq!(extension(url).as_deref(), expected, "{url}");
        }
    }

    #[test]
    fn file_urls_are_paths() {
        for (url, path) in [
            ("a b%20c.mp3", "a b%20c.mp3"),
            ("file:///a/b%20c.mp3?x#y", "/a/b c.mp3"),
            ("FILE://localhost/a", "/a"),
            ("file:/a", "/a"),
            ("file:%C3%A9", "é"),
        ] {
            assert_eq!(file_path(url).unwrap(), Path::new(path), "{url}");
        }
        for url in [
            "file:",
            "file://",
            "file://host/a",
            "file:///%",
            "file:///%4",
            "file:///%GG",
            "file:%00",
            "file:%FF",
        ] {
            assert_eq!(file_path(url).unwrap_err().hresult(), Hresult::E_INVALIDARG, "{url}");
        }
    }
}
