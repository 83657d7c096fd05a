//! `envoy.config.core.v3`, and the forms of protobuf's own messages.

use std::net::IpAddr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::any::Any;

/// `google.protobuf.Duration`: seconds with a fraction, `0.250s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Duration(std::time::Duration);

impl Duration {
    pub(crate) const fn seconds(seconds: u64) -> Self {
        Duration(std::time::Duration::from_secs(seconds))
    }

    pub(crate) const fn millis(millis: u64) -> Self {
        Duration(std::time::Duration::from_millis(millis))
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (self.0.as_secs(), self.0.subsec_millis()) {
            (seconds, 0) => serializer.collect_str(&format_args!("{seconds}s")),
            (seconds, millis) => serializer.collect_str(&format_args!("{seconds}.{millis:03}s")),
        }
    }
}

impl<'de> Deserialize<'de> for Duration {
    /// Whole milliseconds at most: `15s`, `0.25s`.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let invalid = || serde::de::Error::custom(format!("{text:?} is not a duration such as 15s or 0.25s"));
        let number = text.strip_suffix('s').ok_or_else(invalid)?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(fraction) || fraction.len() > 3 || whole.len() > 9 {
            return Err(invalid());
        }
        let seconds: u64 = whole.parse().map_err(|_| invalid())?;
        let millis: u64 = format!("{fraction:0<3}").parse().map_err(|_| invalid())?;
        Ok(Duration::millis(seconds * 1000 + millis))
    }
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Address {
    SocketAddress {
        address: String,
        port_value: u16,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        ipv4_compat: bool,
    },
    Pipe {
        path: String,
        /// Permission bits. Absent: left to the umask, right for a socket that Envoy connects to rather than creates.
        #[serde(skip_serializing_if = "Option::is_none")]
        mode: Option<u32>,
    },
}

impl Address {
    /// An address to bind.
    pub(crate) fn listen(address: IpAddr, port_value: u16) -> Self {
        Address::SocketAddress {
            address: address.to_string(),
            port_value,
            ipv4_compat: address.is_ipv6() && address.is_unspecified(),
        }
    }

    /// An address or host name to connect to.
    pub(crate) fn connect(address: impl ToString, port_value: u16) -> Self {
        Address::SocketAddress {
            address: address.to_string(),
            port_value,
            ipv4_compat: false,
        }
    }
}

/// `CidrRange`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct CidrRange {
    pub(crate) address_prefix: IpAddr,
    pub(crate) prefix_len: u8,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DataSource {
    Filename(String),
    InlineString(String),
}

/// `envoy.type.matcher.v3.StringMatcher`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StringMatcher {
    Prefix(&'static str),
    SafeRegex(RegexMatcher),
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct RegexMatcher {
    pub(crate) regex: &'static str,
}

/// Any message of the form `name` and `typed_config`: filters, loggers, monitors and other extensions.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Extension {
    pub(crate) name: &'static str,
    pub(crate) typed_config: Any,
}

/// `ConfigSource` that reads a file and watches the folder it is in.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ConfigSource {
    pub(crate) path_config_source: PathConfigSource,
    pub(crate) initial_fetch_timeout: Duration,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct PathConfigSource {
    pub(crate) path: String,
    pub(crate) watched_directory: WatchedDirectory,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct WatchedDirectory {
    pub(crate) path: String,
}
