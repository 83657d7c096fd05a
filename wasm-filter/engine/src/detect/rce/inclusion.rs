//! Values that make an application include a script from elsewhere.

use crate::detect::{Place, Value};

/// Whether the value is the URL of a remote script, as given to `include`.
///
/// What gives it away is its end: `?`, `%00` or `#` turn the suffix that the application appends into a query, a cut
/// or a fragment. Ordinary URLs do not end so, and hardly ever stand on a numeric host with a port.
pub(super) fn is_remote(value: &Value<'_>) -> bool {
    if matches!(value.place, Place::Uri | Place::File | Place::RawBody | Place::Referer) {
        return false;
    }
    let url = value.bytes.trim_ascii();
    let schemes: [&[u8]; 4] = [b"http://", b"https://", b"ftp://", b"ftps://"];
    let starts = |scheme: &&[u8]| {
        url.get(..scheme.len())
            .is_some_and(|front| front.eq_ignore_ascii_case(scheme))
    };
    let Some(scheme) = schemes.iter().find(|scheme| starts(scheme)) else {
        return false;
    };
    if url.len() > 512 || url.iter().any(u8::is_ascii_whitespace) {
        return false;
    }
    let rest = url.get(scheme.len()..).unwrap_or_default();
    let host_len = rest
        .iter()
        .position(|b| matches!(b, b'/' | b'?' | b'#'))
        .unwrap_or(rest.len());
    let (host, path) = rest.split_at(host_len);
    let is_numeric = host.contains(&b'.') && host.iter().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b':'));
    let Some(question) = path.iter().position(|b| matches!(b, b'?' | 0)) else {
        return false;
    };
    let (file, tail) = path.split_at(question);
    let is_cut = tail.contains(&0) || tail.starts_with(b"??") || matches!(tail, b"?" | b"?'" | b"?\"" | b"?&");
    let runs = tail.starts_with(b"?cmd=") || tail.starts_with(b"??cmd=");
    let scripts: [&[u8]; 8] = [b".txt", b".php", b".inc", b".gif", b".jpg", b".dat", b".asp", b".sh"];
    let is_script = scripts.iter().any(|extension| file.ends_with(extension));
    (is_cut || runs)
        && (is_numeric || (is_script && value.place != Place::Body) || tail.starts_with(b"??") || tail.contains(&0))
}

/// Whether the value is a URL by which PHP executes: `expect://id`, `php://input`, `data:text/plain,<?php`.
pub(super) fn executes(value: &Value<'_>) -> bool {
    if matches!(value.place, Place::File | Place::RawBody) {
        return false;
    }
    let url = value.bytes.trim_ascii();
    let starts = |front: &[u8]| {
        url.get(..front.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(front))
    };
    if url.len() > 4096 {
        return false;
    }
    let is_data = starts(b"data://") || starts(b"data:text/plain") || starts(b"data:;base64,");
    starts(b"expect://")
        || starts(b"php://input")
        || (is_data && (memchr::memmem::find(url, b"<?").is_some() || memchr::memmem::find(url, b"PD9").is_some()))
}
