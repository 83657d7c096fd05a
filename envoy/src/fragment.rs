//! Pieces of Envoy configuration that the owner of a pod may write: the part of Envoy's own messages that changes what
//! a proxy does for one application, and nothing that could take requests past the filter.
//!
//! Names and meaning are those of Envoy's v3 API in protobuf's JSON form. Unknown keys are errors.

use serde::{Deserialize, Serialize};

use crate::message::core::Duration;

/// Part of `HttpConnectionManager`. Unset keys keep what the sidecar does by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpFragment {
    /// How long a stream may be silent. 0: for ever.
    pub(crate) stream_idle_timeout: Option<Duration>,
    /// How long a whole request may take to arrive. 0: as long as it likes.
    pub(crate) request_timeout: Option<Duration>,
    /// How long request headers may take to arrive.
    pub(crate) request_headers_timeout: Option<Duration>,
    /// How long a connection without requests is kept.
    pub(crate) idle_timeout: Option<Duration>,
    /// Most kibibytes of request headers.
    pub(crate) max_request_headers_kb: Option<Kibibytes>,
    /// Most request headers.
    pub(crate) max_headers_count: Option<Count>,
    /// Most requests at a time on one HTTP/2 connection.
    pub(crate) max_concurrent_streams: Option<Count>,
}

/// Part of `VirtualHost`: changes of headers of everything that passes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct VirtualHostFragment {
    pub(crate) headers: HeaderChanges,
}

/// Part of `Route` and `RouteAction`, for the routes that lead to the application.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "WrittenRoute")]
pub struct RouteFragment {
    pub(crate) timeout: Option<Duration>,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) headers: HeaderChanges,
}

/// All keys of a [`RouteFragment`] on one level, as Envoy nearly has them.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct WrittenRoute {
    timeout: Option<Duration>,
    idle_timeout: Option<Duration>,
    request_headers_to_add: Vec<HeaderValueOption>,
    request_headers_to_remove: Vec<HeaderName>,
    response_headers_to_add: Vec<HeaderValueOption>,
    response_headers_to_remove: Vec<HeaderName>,
}

/// Headers that are added and removed on the way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct HeaderChanges {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    request_headers_to_add: Vec<HeaderValueOption>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    request_headers_to_remove: Vec<HeaderName>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    response_headers_to_add: Vec<HeaderValueOption>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    response_headers_to_remove: Vec<HeaderName>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeaderValueOption {
    header: HeaderValue,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    append_action: Option<AppendAction>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeaderValue {
    key: HeaderName,
    value: HeaderText,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum AppendAction {
    AppendIfExistsOrAdd,
    AddIfAbsent,
    OverwriteIfExistsOrAdd,
    OverwriteIfExists,
}

/// The name of a header that may be changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
struct HeaderName(String);

/// Text of a header, in which `%` begins one of the [`VARIABLES`] or is doubled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
struct HeaderText(String);

/// A number from 1 to 8192, which is what Envoy takes for sizes of headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32")]
pub(crate) struct Kibibytes(u32);

/// A positive number below 2³¹.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32")]
pub(crate) struct Count(u32);

/// Values that Envoy puts into a header. A name that Envoy does not know would make it refuse the whole bootstrap, so
/// only these are taken.
///
/// Source: Envoy documentation, "Substitution formatter".
const VARIABLES: [&str; 14] = [
    "DOWNSTREAM_LOCAL_ADDRESS",
    "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT",
    "DOWNSTREAM_LOCAL_PORT",
    "DOWNSTREAM_REMOTE_ADDRESS",
    "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT",
    "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT",
    "DOWNSTREAM_TLS_CIPHER",
    "DOWNSTREAM_TLS_VERSION",
    "HOSTNAME",
    "PROTOCOL",
    "REQUESTED_SERVER_NAME",
    "RESPONSE_CODE",
    "START_TIME",
    "STREAM_ID",
];

// === impl RouteFragment ===

impl From<WrittenRoute> for RouteFragment {
    fn from(written: WrittenRoute) -> Self {
        let WrittenRoute {
            timeout,
            idle_timeout,
            request_headers_to_add,
            request_headers_to_remove,
            response_headers_to_add,
            response_headers_to_remove,
        } = written;
        RouteFragment {
            timeout,
            idle_timeout,
            headers: HeaderChanges {
                request_headers_to_add,
                request_headers_to_remove,
                response_headers_to_add,
                response_headers_to_remove,
            },
        }
    }
}

// === impl HeaderName ===

impl TryFrom<String> for HeaderName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        // RFC 9110, section 5.6.2.
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(format!("{name:?} is not the name of a header"));
        }
        // Envoy refuses to change what routes a request.
        if name.eq_ignore_ascii_case("host") {
            return Err("the header \"host\" cannot be changed".to_owned());
        }
        Ok(HeaderName(name))
    }
}

// === impl HeaderText ===

impl TryFrom<String> for HeaderText {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.chars().any(|c| c.is_control()) {
            return Err(format!("{text:?} has control characters"));
        }
        // Every second part stands between two percent signs; an empty one is a doubled sign.
        let parts = text.split('%').collect::<Vec<_>>();
        if parts.len() % 2 == 0 {
            return Err(format!("{text:?} has a % without its pair; %% is the sign itself"));
        }
        let unknown = parts
            .iter()
            .skip(1)
            .step_by(2)
            .find(|part| !part.is_empty() && !VARIABLES.contains(part));
        match unknown {
            Some(name) => Err(format!("%{name}% is not one of {}", VARIABLES.join(", "))),
            None => Ok(HeaderText(text)),
        }
    }
}

// === impl Kibibytes ===

impl TryFrom<u32> for Kibibytes {
    type Error = String;

    fn try_from(number: u32) -> Result<Self, String> {
        match number {
            1..=8192 => Ok(Kibibytes(number)),
            _ => Err(format!("{number} is not from 1 to 8192")),
        }
    }
}

// === impl Count ===

impl TryFrom<u32> for Count {
    type Error = String;

    fn try_from(number: u32) -> Result<Self, String> {
        match number {
            1..=0x7fff_ffff => Ok(Count(number)),
            _ => Err(format!("{number} is not from 1 to 2147483647")),
        }
    }
}

impl Kibibytes {
    pub(crate) fn get(self) -> u32 {
        self.0
    }
}

impl Count {
    pub(crate) fn get(self) -> u32 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(json: &str) -> Result<RouteFragment, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn known_keys_are_taken() {
        let fragment = route(
            r#"{"timeout":"15s","idle_timeout":"0.25s","request_headers_to_add":[{"header":{"key":"x-a","value":"100%% of %PROTOCOL%"},"append_action":"ADD_IF_ABSENT"}],"response_headers_to_remove":["server"]}"#,
        )
        .unwrap();
        assert_eq!(fragment.timeout, Some(Duration::seconds(15)));
        assert_eq!(fragment.idle_timeout, Some(Duration::millis(250)));
        assert_eq!(
            serde_json::to_string(&fragment.headers).unwrap(),
            r#"{"request_headers_to_add":[{"header":{"key":"x-a","value":"100%% of %PROTOCOL%"},"append_action":"ADD_IF_ABSENT"}],"response_headers_to_remove":["server"]}"#
        );
    }

    #[test]
    fn everything_else_is_refused_with_a_reason() {
        for (json, reason) in [
            (r#"{"cluster":"other"}"#, "unknown field `cluster`"),
            (r#"{"timeout":"15"}"#, "not a duration"),
            (r#"{"timeout":"-1s"}"#, "not a duration"),
            (r#"{"timeout":"1.0001s"}"#, "not a duration"),
            (r#"{"timeout":"99999999999999999999s"}"#, "not a duration"),
            (r#"{"request_headers_to_remove":[":path"]}"#, "not the name of a header"),
            (r#"{"request_headers_to_remove":["Host"]}"#, "cannot be changed"),
            (
                r#"{"request_headers_to_add":[{"header":{"key":"a","value":"50%"}}]}"#,
                "without its pair",
            ),
            (
                r#"{"request_headers_to_add":[{"header":{"key":"a","value":"%ENVIRONMENT(X)%"}}]}"#,
                "is not one of",
            ),
            (
                r#"{"request_headers_to_add":[{"header":{"key":"a","value":"b\r\nc: d"}}]}"#,
                "control characters",
            ),
        ] {
            let error = route(json).unwrap_err();
            assert!(error.contains(reason), "{json}: {error}");
        }
        assert!(serde_json::from_str::<HttpFragment>(r#"{"max_request_headers_kb":9000}"#).is_err());
        assert!(serde_json::from_str::<HttpFragment>(r#"{"http_filters":[]}"#).is_err());
        assert!(serde_json::from_str::<VirtualHostFragment>(r#"{"routes":[]}"#).is_err());
    }
}
