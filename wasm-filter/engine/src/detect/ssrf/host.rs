//! Whom a host of a URL names, in every spelling that resolvers accept.
//!
//! Sources: inet_aton(3) (short, decimal, octal and hexadecimal IPv4 addresses), RFC 4291 (IPv6, mapped addresses),
//! RFC 1918 and RFC 6890 (private and special addresses), RFC 6761 (`localhost`), UTS 46 (letters and digits that
//! domain name mapping folds), and the clouds' manuals for the addresses of instance metadata.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Whom a host names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Target {
    /// Anyone, or nobody in particular.
    Public,
    /// A machine of a private network.
    Private,
    /// The machine itself.
    Loopback,
    /// The service that tells a virtual machine its own credentials.
    Metadata,
}

/// How the host was spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spelling {
    /// As people and programs write it.
    Plain,
    /// Through a public domain name that answers with the address in the name.
    WildcardName,
    /// In a form that only serves to get past filters.
    Odd,
}

/// Longest host name, in bytes (RFC 1035 section 2.3.4).
const MAX_HOST_BYTES: usize = 255;

/// Tells whom a host names; brackets of an IPv6 address included.
pub(super) fn of(host: &[u8]) -> (Target, Spelling) {
    let public = (Target::Public, Spelling::Plain);
    let mut folded = [0; MAX_HOST_BYTES];
    let Some((n_bytes, is_folded)) = fold(host, &mut folded) else {
        return public;
    };
    let name = folded.get(..n_bytes).unwrap_or_default();
    let name = name.strip_suffix(b".").unwrap_or(name);
    let (target, spelling) = if let Some(inner) = name.strip_prefix(b"[") {
        of_ipv6(inner.strip_suffix(b"]").unwrap_or(inner))
    } else if let Some((address, is_canonical)) = ipv4(name) {
        let spelling = if is_canonical { Spelling::Plain } else { Spelling::Odd };
        (of_ipv4(address), spelling)
    } else {
        of_name(name)
    };
    if is_folded && target != Target::Public {
        (target, Spelling::Odd)
    } else {
        (target, spelling)
    }
}

/// Writes the host in lower-case ASCII. Also tells whether letters or digits of other alphabets were mapped.
fn fold(host: &[u8], folded: &mut [u8; MAX_HOST_BYTES]) -> Option<(usize, bool)> {
    let text = std::str::from_utf8(host).ok()?;
    let mut is_folded = false;
    let mut n_bytes = 0;
    for c in text.chars() {
        let offset = |base: char, first: u8| first + (u32::from(c) - u32::from(base)) as u8;
        let byte = match c {
            '\0'..='\x7f' => (c as u8).to_ascii_lowercase(),
            '０'..='９' => offset('０', b'0'),
            'Ａ'..='Ｚ' => offset('Ａ', b'a'),
            'ａ'..='ｚ' => offset('ａ', b'a'),
            '①'..='⑨' => offset('①', b'1'),
            '⓪' | '⁰' => b'0',
            '¹' => b'1',
            '²' => b'2',
            '³' => b'3',
            '⁴'..='⁹' => offset('⁴', b'4'),
            '₀'..='₉' => offset('₀', b'0'),
            'Ⓐ'..='Ⓩ' => offset('Ⓐ', b'a'),
            'ⓐ'..='ⓩ' => offset('ⓐ', b'a'),
            '．' | '。' | '｡' => b'.',
            _ => return None,
        };
        is_folded |= !c.is_ascii();
        *folded.get_mut(n_bytes)? = byte;
        n_bytes += 1;
    }
    Some((n_bytes, is_folded))
}

/// Reads an IPv4 address as inet_aton(3) does; whether it is a plain dotted quad.
fn ipv4(name: &[u8]) -> Option<(u32, bool)> {
    let mut is_canonical = true;
    let mut address = 0u64;
    let mut n_parts = 0;
    let mut last = 0u64;
    for part in name.split(|b| *b == b'.') {
        if n_parts == 4 || (n_parts > 0 && last > 0xff) {
            return None;
        }
        if n_parts > 0 {
            address = address << 8 | last;
        }
        let (digits, radix) = match part {
            [b'0', b'x', digits @ ..] => (digits, 16),
            [b'0', digits @ ..] if !digits.is_empty() => (digits, 8),
            digits => (digits, 10),
        };
        if digits.is_empty() || digits.len() > 16 {
            return None;
        }
        is_canonical &= radix == 10;
        last = u64::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok()?;
        n_parts += 1;
    }
    // The last part fills what is left of 32 bits.
    let n_bits = 8 * (5u32.checked_sub(n_parts)?);
    if n_bits > 32 || last >> n_bits != 0 {
        return None;
    }
    let address = address << n_bits | last;
    u32::try_from(address)
        .ok()
        .map(|address| (address, is_canonical && n_parts == 4))
}

fn of_ipv4(address: u32) -> Target {
    let address = Ipv4Addr::from_bits(address);
    match address.octets() {
        // Amazon, Azure, Google and others; Amazon's containers; Alibaba; Oracle.
        [169, 254, 169, 254] | [169, 254, 170, 2 | 23] | [100, 100, 100, 200] | [192, 0, 0, 192] => Target::Metadata,
        [0 | 127, ..] => Target::Loopback,
        _ if address.is_private() || address.is_link_local() => Target::Private,
        _ => Target::Public,
    }
}

fn of_ipv6(inner: &[u8]) -> (Target, Spelling) {
    let zone = memchr::memchr(b'%', inner).unwrap_or(inner.len());
    let text = inner.get(..zone).and_then(|inner| std::str::from_utf8(inner).ok());
    let Some(address) = text.and_then(|text| text.parse::<Ipv6Addr>().ok()) else {
        return (Target::Public, Spelling::Plain);
    };
    match address.segments() {
        [0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254] | [0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x0254] => {
            (Target::Metadata, Spelling::Plain)
        }
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => (Target::Loopback, Spelling::Plain),
        // Mapped, compatible and translated IPv4 addresses (RFC 4291, RFC 6052).
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            (of_ipv4(u32::from(high) << 16 | u32::from(low)), Spelling::Odd)
        }
        [0xfc00..=0xfdff | 0xfe80..=0xfebf, ..] => (Target::Private, Spelling::Plain),
        _ => (Target::Public, Spelling::Plain),
    }
}

fn of_name(name: &[u8]) -> (Target, Spelling) {
    const METADATA: &[&[u8]] = &[
        b"metadata.google.internal",
        b"metadata.goog",
        b"instance-data",
        b"instance-data.ec2.internal",
        b"metadata.tencentyun.com",
        b"metadata.packet.net",
        b"metadata.platformequinix.com",
        b"rancher-metadata",
    ];
    const LOOPBACK: &[&[u8]] = &[
        b"localhost",
        b"localhost.localdomain",
        b"localhost6",
        b"ip6-localhost",
        b"ip6-loopback",
    ];
    // Public names that answer with 127.0.0.1, and zones that answer with the address in the name.
    const LOOPBACK_NAMES: &[&[u8]] = &[
        b"localtest.me",
        b"lvh.me",
        b"vcap.me",
        b"lacolhost.com",
        b"spoofed.burpcollaborator.net",
    ];
    const WILDCARD_ZONES: &[&[u8]] = &[b".nip.io", b".sslip.io", b".xip.io", b".1u.ms", b".rbndr.us"];
    if METADATA.contains(&name) {
        return (Target::Metadata, Spelling::Plain);
    }
    if LOOPBACK.contains(&name) || name.ends_with(b".localhost") {
        return (Target::Loopback, Spelling::Plain);
    }
    if LOOPBACK_NAMES.iter().any(|zone| is_below(name, zone)) {
        return (Target::Loopback, Spelling::WildcardName);
    }
    // Names that only resolvers of clusters, clouds and service directories answer (Kubernetes, "DNS for Services and
    // Pods"; Docker; Consul; RFC 8375).
    const INTERNAL_ZONES: &[&[u8]] = &[
        b".svc",
        b".cluster.local",
        b".consul",
        b".internal",
        b".home.arpa",
        b".localdomain",
    ];
    if INTERNAL_ZONES.iter().any(|zone| name.ends_with(zone)) {
        return (Target::Private, Spelling::Plain);
    }
    let inner = WILDCARD_ZONES.iter().find_map(|zone| name.strip_suffix(*zone));
    match inner.and_then(embedded) {
        Some(address) => (of_ipv4(address), Spelling::WildcardName),
        None => (Target::Public, Spelling::Plain),
    }
}

/// Whether a name is a zone or stands below it.
pub(super) fn is_below(name: &[u8], zone: &[u8]) -> bool {
    let Some(start) = name.len().checked_sub(zone.len()) else {
        return false;
    };
    let (before, end) = name.split_at(start);
    end.eq_ignore_ascii_case(zone) && before.last().is_none_or(|b| *b == b'.')
}

/// The address at the end of a name below a wildcard zone: `a.10.0.0.1`, `a-10-0-0-1` or `7f000001`.
fn embedded(name: &[u8]) -> Option<u32> {
    let mut address = 0;
    let mut n_parts = 0;
    for part in name.rsplit(|b| matches!(b, b'.' | b'-')).take(4) {
        let is_number = !part.is_empty() && part.len() <= 3 && part.iter().all(u8::is_ascii_digit);
        let Some(number) = is_number
            .then(|| std::str::from_utf8(part).ok()?.parse::<u8>().ok())
            .flatten()
        else {
            break;
        };
        address |= u32::from(number) << (8 * n_parts);
        n_parts += 1;
    }
    if n_parts == 4 {
        return Some(address);
    }
    let label = name.rsplit(|b| matches!(b, b'.' | b'-')).next()?;
    let text = std::str::from_utf8(label).ok()?;
    (label.len() == 8).then(|| u32::from_str_radix(text, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_addresses_are_understood() {
        use {Spelling::*, Target::*};
        for (host, expected) in [
            ("example.com", (Public, Plain)),
            ("8.8.8.8", (Public, Plain)),
            ("1.2.3", (Public, Odd)),
            ("999.1.1.1", (Public, Plain)),
            ("1.2.3.4.5", (Public, Plain)),
            ("", (Public, Plain)),
            ("172.32.0.1", (Public, Plain)),
            ("172.31.0.1", (Private, Plain)),
            ("192.168.1.1", (Private, Plain)),
            ("127.0.0.1", (Loopback, Plain)),
            ("127.1", (Loopback, Odd)),
            ("2130706433", (Loopback, Odd)),
            ("0x7f.1", (Loopback, Odd)),
            ("0177.0.0.01", (Loopback, Odd)),
            ("0", (Loopback, Odd)),
            ("0.0.0.0", (Loopback, Plain)),
            ("LOCALHOST.", (Loopback, Plain)),
            ("[::1]", (Loopback, Plain)),
            ("[::]", (Loopback, Plain)),
            ("[::ffff:127.0.0.1]", (Loopback, Odd)),
            ("[::ffff:a9fe:a9fe]", (Metadata, Odd)),
            ("[fd00:ec2::254]", (Metadata, Plain)),
            ("[fe80::1%25eth0]", (Private, Plain)),
            ("[2001:db8::1]", (Public, Plain)),
            ("169.254.169.254", (Metadata, Plain)),
            ("2852039166", (Metadata, Odd)),
            ("0xa9fea9fe", (Metadata, Odd)),
            ("0251.0376.0251.0376", (Metadata, Odd)),
            ("169.254.43518", (Metadata, Odd)),
            ("①②⑦.⓪.⓪.①", (Loopback, Odd)),
            ("127。0。0。1", (Loopback, Odd)),
            ("ⓛocalhost", (Loopback, Odd)),
            ("bücher.example", (Public, Plain)),
            ("a.127.0.0.1.nip.io", (Loopback, WildcardName)),
            ("x-169-254-169-254.sslip.io", (Metadata, WildcardName)),
            ("7f000001.nip.io", (Loopback, WildcardName)),
            ("8.8.8.8.nip.io", (Public, WildcardName)),
            ("notlocaltest.me", (Public, Plain)),
            ("sub.localtest.me", (Loopback, WildcardName)),
        ] {
            assert_eq!(of(host.as_bytes()), expected, "{host}");
        }
    }
}
