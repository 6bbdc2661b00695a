//! A network of source addresses: `10.0.0.0/8`, or one address.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// An address and how many of its first bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u32,
}

impl Network {
    /// Whether an address is of this network. An IPv4 address in IPv6 spelling (`::ffff:…`) is the
    /// IPv4 address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let differing = u32::from(own) ^ u32::from(other);
                differing.leading_zeros() >= self.prefix
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let differing = u128::from(own) ^ u128::from(other);
                differing.leading_zeros() >= self.prefix
            }
            _ => false,
        }
    }
}

fn bits(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.prefix == bits(self.address) {
            write!(f, "{}", self.address)
        } else {
            write!(f, "{}/{}", self.address, self.prefix)
        }
    }
}

impl FromStr for Network {
    /// In words for whoever wrote it.
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shown = text.escape_debug();
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let Ok(address) = address.parse::<IpAddr>() else {
            return Err(format!(
                "`{shown}` is neither an IP address nor a network; write for example `192.0.2.7`, \
                 `10.0.0.0/8` or `2001:db8::/32`"
            ));
        };
        let digits = |prefix: &&str| prefix.bytes().all(|byte| byte.is_ascii_digit());
        let prefix = match prefix {
            None => bits(address),
            Some(prefix) => match Some(prefix).filter(digits).and_then(|p| p.parse().ok()) {
                Some(prefix) if prefix <= bits(address) => prefix,
                _ => {
                    let max = bits(address);
                    return Err(format!("`{shown}` has no prefix length from 0 to {max}"));
                }
            },
        };
        let network = Self { address, prefix };
        // A bit behind the prefix is a slip of the pen: which network is meant is not clear.
        let host_bits = match address {
            IpAddr::V4(address) => {
                u32::from(address).checked_shl(prefix).is_some_and(|rest| rest != 0)
            }
            IpAddr::V6(address) => {
                u128::from(address).checked_shl(prefix).is_some_and(|rest| rest != 0)
            }
        };
        if host_bits {
            return Err(format!("`{shown}` has bits behind its prefix; write its first address"));
        }
        Ok(network)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        text.parse().unwrap_or_else(|error| panic!("{error}"))
    }

    fn contains(text: &str, address: &str) -> bool {
        network(text).contains(address.parse().unwrap())
    }

    #[test]
    fn a_network_has_the_addresses_that_begin_like_it() {
        for (text, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.6"),
            ("192.0.2.128/25", "192.0.2.200", "192.0.2.100"),
            ("10.0.0.0/8", "::ffff:10.0.0.1", "::ffff:11.0.0.1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::1"),
            ("::1", "::1", "::2"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("::/0", "::2", "1.2.3.4"),
        ] {
            assert!(contains(text, inside), "{inside} is in {text}");
            assert!(!contains(text, outside), "{outside} is not in {text}");
            assert_eq!(network(text).to_string(), text);
        }
    }

    #[test]
    fn what_is_no_network_is_refused_in_words() {
        for text in ["", "example.com", "10.0.0.0/33", "::/129", "10.0.0.1/8", "1.2.3.4/+8", "1/8"]
        {
            text.parse::<Network>().expect_err(text);
        }
        assert!("10.0.0.1/8".parse::<Network>().unwrap_err().contains("first address"));
    }
}
