//! A range of addresses, as it is written: `10.0.0.0/8`, `2001:db8::/32`, or one address.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// The addresses that begin with the same bits.
///
/// ```
/// use headstart_server::api::Network;
///
/// let network: Network = "10.0.0.0/8".parse()?;
/// assert!(network.contains("10.1.2.3".parse().unwrap()));
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    first: IpAddr,
    /// How many bits all its addresses have in common.
    bits: u8,
}

impl Network {
    /// Whether `address` is one of its addresses. An IPv4 address in the form that IPv6 has for it (`::ffff:10.0.0.1`)
    /// is the IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.first, address.to_canonical()) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                let shift = 32 - u32::from(self.bits);
                let differ = first.to_bits() ^ address.to_bits();
                differ.checked_shr(shift).unwrap_or(0) == 0
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => {
                let shift = 128 - u32::from(self.bits);
                let differ = first.to_bits() ^ address.to_bits();
                differ.checked_shr(shift).unwrap_or(0) == 0
            }
            _ => false,
        }
    }

    /// Whether no bit is set beyond those in common: otherwise the address or the count is a slip.
    fn is_exact(&self) -> bool {
        match self.first {
            IpAddr::V4(first) => first.to_bits().checked_shl(self.bits.into()).unwrap_or(0) == 0,
            IpAddr::V6(first) => first.to_bits().checked_shl(self.bits.into()).unwrap_or(0) == 0,
        }
    }
}

impl From<IpAddr> for Network {
    /// This one address.
    fn from(address: IpAddr) -> Network {
        let first = address.to_canonical();
        Network { first, bits: if first.is_ipv4() { 32 } else { 128 } }
    }
}

impl FromStr for Network {
    /// What was expected.
    type Err = String;

    fn from_str(text: &str) -> Result<Network, String> {
        let expected = || {
            "expected an address or a range of addresses in CIDR form, such as 10.0.0.1, 10.0.0.0/8 or fd00::/8"
                .to_owned()
        };
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let first: IpAddr = address.parse().map_err(|_| expected())?;
        let Some(bits) = bits else { return Ok(first.into()) };
        // `parse` alone would take a sign.
        let bits = bits.bytes().all(|byte| byte.is_ascii_digit()).then(|| bits.parse().ok()).flatten();
        let most = if first.is_ipv4() { 32 } else { 128 };
        let bits =
            bits.filter(|bits| *bits <= most).ok_or_else(|| format!("expected 0 to {most} bits after the '/'"))?;
        let network = match first.to_canonical() {
            first if bits >= 96 && first.is_ipv4() && most == 128 => Network { first, bits: bits - 96 },
            _ => Network { first, bits },
        };
        match network.is_exact() {
            true => Ok(network),
            false => Err(format!("the address has bits set beyond its first {bits}; {}", expected())),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_contains_the_addresses_that_begin_with_its_bits() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.1.2", "11.0.0.0"),
            ("192.168.1.128/25", "192.168.1.255", "192.168.1.127"),
            ("10.0.0.1", "10.0.0.1", "10.0.0.2"),
            ("10.0.0.1/32", "::ffff:10.0.0.1", "::ffff:10.0.0.2"),
            ("::ffff:10.0.0.1", "10.0.0.1", "10.0.0.2"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("::/0", "ffff::1", "127.0.0.1"),
            ("2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::1"),
            ("::1", "::1", "::2"),
            ("::ffff:10.0.0.0/104", "10.1.2.3", "11.0.0.0"),
        ] {
            let parsed: Network = network.parse().unwrap();
            assert!(parsed.contains(inside.parse().unwrap()), "{network} {inside}");
            assert!(!parsed.contains(outside.parse().unwrap()), "{network} {outside}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for (text, why) in [
            ("", "CIDR"),
            ("10.0.0", "CIDR"),
            ("localhost", "CIDR"),
            ("10.0.0.0/33", "0 to 32"),
            ("10.0.0.0/", "0 to 32"),
            ("10.0.0.0/+8", "0 to 32"),
            ("::/129", "0 to 128"),
            ("::/300", "0 to 128"),
            ("10.0.0.1/8", "beyond its first 8"),
            ("fe80::1/10", "beyond its first 10"),
        ] {
            let refused = text.parse::<Network>().unwrap_err();
            assert!(refused.contains(why), "{text}: {refused}");
        }
    }

    #[test]
    fn it_is_written_as_it_is_read() {
        for text in ["10.0.0.0/8", "fd00::/8"] {
            assert_eq!(text.parse::<Network>().unwrap().to_string(), text);
        }
    }
}
