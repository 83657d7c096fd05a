//! Ranges of addresses.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

/// The addresses that share a prefix; a single address is one of full length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    first: IpAddr,
    last: IpAddr,
    prefix_bits: u32,
}

/// A text that is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be an address or a network such as 203.0.113.0/24 or 2001:db8::/32")]
pub struct InvalidNetwork;

// === impl Network ===

impl Network {
    /// The lowest address.
    pub fn first(self) -> IpAddr {
        self.first
    }

    /// The highest address.
    pub fn last(self) -> IpAddr {
        self.last
    }

    /// Whether an address lies in it. Addresses of the two families never lie in one another's networks.
    pub fn contains(self, address: IpAddr) -> bool {
        (self.first..=self.last).contains(&address)
    }
}

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        Network {
            first: address,
            last: address,
            prefix_bits: if address.is_ipv4() { 32 } else { 128 },
        }
    }
}

impl FromStr for Network {
    type Err = InvalidNetwork;

    /// Source of the notation: RFC 4632, section 3.1. Bits beyond the prefix are ignored.
    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let (address, bits) = match text.split_once('/') {
            None => (text, None),
            Some((address, bits)) => (address, Some(bits)),
        };
        let address: IpAddr = address.parse().map_err(|_| InvalidNetwork)?;
        let Some(bits) = bits else {
            return Ok(address.into());
        };
        let digits = bits.len() <= 3 && bits.bytes().all(|byte| byte.is_ascii_digit());
        let prefix_bits: u32 = bits.parse().map_err(|_| InvalidNetwork)?;
        let full = if address.is_ipv4() { 32 } else { 128 };
        if !digits || prefix_bits > full {
            return Err(InvalidNetwork);
        }
        // The bits beyond the prefix; none for a full one, all for an empty one.
        let host = match address {
            IpAddr::V4(_) => u128::from(u32::MAX.checked_shr(prefix_bits).unwrap_or(0)),
            IpAddr::V6(_) => u128::MAX.checked_shr(prefix_bits).unwrap_or(0),
        };
        let with = |change: fn(u128, u128) -> u128| match address {
            IpAddr::V4(v4) => IpAddr::from(Ipv4Addr::from(change(u128::from(u32::from(v4)), host) as u32)),
            IpAddr::V6(v6) => IpAddr::from(Ipv6Addr::from(change(u128::from(v6), host))),
        };
        Ok(Network {
            first: with(|address, host| address & !host),
            last: with(|address, host| address | host),
            prefix_bits,
        })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            return self.first.fmt(f);
        }
        write!(f, "{}/{}", self.first, self.prefix_bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_as_text() {
        for (text, shown) in [
            ("203.0.113.7", "203.0.113.7"),
            ("203.0.113.7/32", "203.0.113.7"),
            ("203.0.113.7/24", "203.0.113.0/24"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("2001:db8::1/32", "2001:db8::/32"),
            ("::/0", "::/0"),
            ("::1", "::1"),
        ] {
            assert_eq!(text.parse::<Network>().unwrap().to_string(), shown);
        }
        for text in [
            "",
            "/8",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0/8",
            "::/129",
            "10.0.0.0/+8",
            "10.0.0.0/0008",
            "a/b",
        ] {
            assert_eq!(text.parse::<Network>(), Err(InvalidNetwork), "{text}");
        }
    }

    #[test]
    fn what_lies_in_a_network() {
        let network: Network = "203.0.113.128/25".parse().unwrap();
        for (address, inside) in [
            ("203.0.113.127", false),
            ("203.0.113.128", true),
            ("203.0.113.255", true),
            ("203.0.114.0", false),
            ("::ffff:203.0.113.200", false),
        ] {
            assert_eq!(network.contains(address.parse().unwrap()), inside, "{address}");
        }
        let all: Network = "::/0".parse().unwrap();
        assert!(all.contains("ffff::1".parse().unwrap()) && !all.contains("10.0.0.1".parse().unwrap()));
    }
}
