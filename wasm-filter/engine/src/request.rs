//! The borrowed view of one request.

/// One HTTP request's head, as the host received it: nothing is decoded, joined or normalised.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request<'a> {
    /// Method, for example `GET`.
    pub method: &'a [u8],
    /// `http` or `https`; empty when unknown.
    pub scheme: &'a [u8],
    /// `:authority` or `Host`; empty when absent.
    pub authority: &'a [u8],
    /// Request target: path and query exactly as sent (RFC 9112 section 3.2).
    pub target: &'a [u8],
    /// Header fields in order, names as sent, without pseudo-header fields. Repeated names stay repeated.
    pub headers: &'a [(&'a [u8], &'a [u8])],
}

/// The body of one request, or the first part of it.
#[derive(Clone, Copy, Debug)]
pub struct Body<'a> {
    /// The bytes at hand.
    pub bytes: &'a [u8],
    /// False when the request has more bytes than these. Parsers then accept that the last value is cut.
    pub is_complete: bool,
}
