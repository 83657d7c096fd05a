//! Address ranges.

use std::{fmt, net::IpAddr, str::FromStr};

use serde::Deserialize;

/// A range of addresses, for example `10.0.0.0/8`. A bare address is a range of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Cidr {
    address: IpAddr,
    prefix_len: u8,
}

impl Cidr {
    /// First address of the range, as written.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// Leading bits that all addresses of the range share.
    pub fn prefix_len(&self) -> u8 {
        self.prefix_len
    }

    /// The ranges that in-cluster proxies and load balancers live in.
    ///
    /// Source: default of the chart value `config.nginx.setRealIpFrom`.
    pub fn private_networks() -> Vec<Cidr> {
        let v4 = |a, b, prefix_len| Cidr {
            address: IpAddr::from([a, b, 0, 0]),
            prefix_len,
        };
        let unique_local = Cidr {
            address: IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, 0]),
            prefix_len: 8,
        };
        vec![
            v4(10, 0, 8),
            v4(192, 168, 16),
            v4(172, 16, 12),
            v4(127, 0, 8),
            unique_local,
        ]
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_len)
    }
}

impl FromStr for Cidr {
    type Err = InvalidCidr;

    fn from_str(text: &str) -> Result<Self, InvalidCidr> {
        let invalid = || InvalidCidr(text.to_owned());
        let (address, prefix_len) = match text.split_once('/') {
            Some((address, prefix_len)) => (address, Some(prefix_len)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| invalid())?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix_len = match prefix_len {
            Some(digits) => digits.parse().map_err(|_| invalid())?,
            None => bits,
        };
        if prefix_len > bits {
            return Err(invalid());
        }
        Ok(Cidr { address, prefix_len })
    }
}

impl TryFrom<String> for Cidr {
    type Error = InvalidCidr;

    fn try_from(text: String) -> Result<Self, InvalidCidr> {
        text.parse()
    }
}

/// A text that is not an address range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an address range such as 10.0.0.0/8 or fd00::/8")]
pub struct InvalidCidr(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_round_trip() {
        for text in ["10.0.0.0/8", "0.0.0.0/0", "fd00::/8", "::/0", "192.0.2.7/32"] {
            assert_eq!(text.parse::<Cidr>().unwrap().to_string(), text);
        }
        for cidr in Cidr::private_networks() {
            assert_eq!(cidr.to_string().parse(), Ok(cidr));
        }
    }

    #[test]
    fn bare_address_is_a_range_of_one() {
        assert_eq!("192.0.2.7".parse::<Cidr>().unwrap().to_string(), "192.0.2.7/32");
        assert_eq!("2001:db8::1".parse::<Cidr>().unwrap().to_string(), "2001:db8::1/128");
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "/8",
            "10.0.0.0/",
            "10.0.0.0/33",
            "fd00::/129",
            "10.0.0/8",
            "10.0.0.0/-1",
            "host/8",
        ] {
            assert_eq!(text.parse::<Cidr>(), Err(InvalidCidr(text.to_owned())));
        }
    }
}
