//! Single values: from what is written to a type, or a fault.

use std::fmt::Display;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::document::Document;
use crate::limits::{CONFIGURED_TIME_MAX, NAME_BYTES_MAX};

impl Document<'_> {
    /// A value that must be there; `example` completes "add `key = …`".
    pub(super) fn required<T>(&mut self, key: &str, value: Option<T>, example: &str) -> Option<T> {
        if value.is_none() {
            let (table, name) = key.rsplit_once('.').unwrap_or(("", key));
            let table = table.split('[').next().unwrap_or_default();
            self.fault(key, format!("is missing; add `{name} = {example}` to [{table}]"));
        }
        value
    }

    /// A file that must be named, from the configuration file's directory.
    pub(super) fn file(
        &mut self,
        key: &str,
        value: Option<&Path>,
        example: &str,
    ) -> Option<PathBuf> {
        let path = self.required(key, value, example)?;
        self.optional_file(key, Some(path))
    }

    /// A file that may be named.
    pub(super) fn optional_file(&mut self, key: &str, value: Option<&Path>) -> Option<PathBuf> {
        let path = value?;
        if path.as_os_str().is_empty() {
            self.fault(key, "is empty; name a file, or remove the key if it has a default");
            return None;
        }
        Some(self.path(path))
    }

    /// A whole number within bounds.
    pub(super) fn number<T>(
        &mut self,
        key: &str,
        value: i64,
        bounds: RangeInclusive<T>,
    ) -> Option<T>
    where
        T: TryFrom<i64> + PartialOrd + Display,
    {
        let number = T::try_from(value).ok().filter(|number| bounds.contains(number));
        if number.is_none() {
            let (low, high) = (bounds.start(), bounds.end());
            self.fault(key, format!("is {value}; write a number from {low} to {high}"));
        }
        number
    }

    /// A time of at least one second.
    pub(super) fn seconds(
        &mut self,
        key: &str,
        value: Option<i64>,
        default: Duration,
    ) -> Option<Duration> {
        match value {
            None => Some(default),
            Some(value) => {
                self.number(key, value, 1..=CONFIGURED_TIME_MAX.as_secs()).map(Duration::from_secs)
            }
        }
    }

    /// A time that 0 switches off, which is also the default.
    pub(super) fn seconds_or_off(&mut self, key: &str, value: Option<i64>) -> Option<Duration> {
        let value = value.filter(|value| *value != 0)?;
        self.number(key, value, 0..=CONFIGURED_TIME_MAX.as_secs()).map(Duration::from_secs)
    }

    /// One word of a few.
    pub(super) fn choice<T: Copy>(
        &mut self,
        key: &str,
        value: Option<&str>,
        choices: &[(&str, T)],
        default: T,
    ) -> Option<T> {
        let Some(value) = value else { return Some(default) };
        let choice = choices.iter().find(|(word, _)| *word == value);
        if choice.is_none() {
            let words: Vec<_> = choices.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            self.fault(key, format!("is {value:?}; write {}", words.join(" or ")));
        }
        choice.map(|(_, choice)| *choice)
    }

    /// An address and port to listen on.
    pub(super) fn socket(&mut self, key: &str, value: &str) -> Option<SocketAddr> {
        let address = value.parse().ok();
        if address.is_none() {
            self.fault(
                key,
                format!(
                    "{value:?} is not an IP address and port; write for example \"0.0.0.0:8042\" \
                     or \"[::]:8042\""
                ),
            );
        }
        address
    }

    /// A subaccount or location id: printable, bounded.
    pub(super) fn id(&mut self, key: &str, value: &str, may_be_empty: bool) -> Option<String> {
        let message = if value.is_empty() && !may_be_empty {
            "is empty; give it a value".to_owned()
        } else if value.len() > NAME_BYTES_MAX {
            format!("has {} bytes, more than {NAME_BYTES_MAX}; shorten it", value.len())
        } else if value.trim() != value {
            "begins or ends with white space; remove it".to_owned()
        } else if value.chars().any(char::is_control) {
            "has a control character; remove it".to_owned()
        } else {
            return Some(value.to_owned());
        };
        self.fault(key, message);
        None
    }
}

/// Whether text is a host name or an IP address, an IPv6 address without brackets.
pub(super) fn is_host(text: &str) -> bool {
    if text.parse::<std::net::IpAddr>().is_ok() {
        return true;
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let digits_only = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    text.len() <= 253 && !digits_only && text.split('.').all(label)
}

/// Splits `host[:port]`, an IPv6 address in brackets, and takes the brackets off.
pub(super) fn split_host_port(text: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        host.parse::<std::net::Ipv6Addr>().ok()?;
        match rest.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if rest.is_empty() => (host, None),
            None => return None,
        }
    } else {
        match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        }
    };
    let port = match port {
        None => None,
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(digits.parse().ok().filter(|port| *port > 0)?)
        }
        Some(_) => return None,
    };
    is_host(host).then_some((host, port))
}
