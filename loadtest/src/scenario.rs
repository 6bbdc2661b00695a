//! What a load test does: loads that run at the same time, for how long, over how many tunnels.

use std::{fs, path::Path, time::Duration};

use serde::{Deserialize, Serialize};

use crate::failure::{Failure, While as _};

/// The scenarios that come with the harness, in the order of a comparison.
pub(crate) const BUILT_IN: [(&str, &str); 13] = [
    ("bulk-up", include_str!("../scenarios/bulk-up.toml")),
    ("bulk-down", include_str!("../scenarios/bulk-down.toml")),
    ("bulk-both", include_str!("../scenarios/bulk-both.toml")),
    ("ping-pong-64", include_str!("../scenarios/ping-pong-64.toml")),
    ("ping-pong-1k", include_str!("../scenarios/ping-pong-1k.toml")),
    ("ping-pong-1k-256", include_str!("../scenarios/ping-pong-1k-256.toml")),
    ("ping-pong-16k", include_str!("../scenarios/ping-pong-16k.toml")),
    ("open-echo-close", include_str!("../scenarios/open-echo-close.toml")),
    ("idle", include_str!("../scenarios/idle.toml")),
    ("stalled-reader", include_str!("../scenarios/stalled-reader.toml")),
    ("ping-during-bulk", include_str!("../scenarios/ping-during-bulk.toml")),
    ("half-saturation-1k", include_str!("../scenarios/half-saturation-1k.toml")),
    ("open-streams", include_str!("../scenarios/open-streams.toml")),
];

/// Messages up to this size: the client's and the service's buffers hold one.
const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// Below the limit of 20000 descriptors that many machines have, with two a stream in the harness
/// and in a contestant that has a connection for each stream.
const STREAMS_MAX: usize = 9_900;

/// One scenario file.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    /// Its name in reports.
    pub(crate) name: String,
    /// One sentence: what is measured, and why.
    pub(crate) about: String,
    /// Length of the measurement.
    pub(crate) seconds: f64,
    /// From the moment every stream is open until the measurement begins.
    #[serde(default = "default_warmup_seconds")]
    pub(crate) warmup_seconds: f64,
    /// Tunnels that the streams share where the target multiplexes.
    #[serde(default = "default_tunnels")]
    pub(crate) tunnels: usize,
    /// Resume TLS sessions by ticket; otherwise every connection shakes hands in full.
    #[serde(default)]
    pub(crate) resume: bool,
    /// Part of `compare --quick`.
    #[serde(default)]
    pub(crate) quick: bool,
    /// `compare` measures it with each of these numbers of streams in its one load, and tells how
    /// much CPU per operation grows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) open_streams: Vec<usize>,
    /// What runs, all at the same time.
    pub(crate) load: Vec<Load>,
}

/// Streams that do the same.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Load {
    /// What each stream does.
    pub(crate) kind: Kind,
    /// How many at the same time.
    pub(crate) streams: usize,
    /// Bytes of a message.
    #[serde(default = "default_bytes")]
    pub(crate) bytes: usize,
    /// Operations a second, all streams together (open loop): latency counts from the moment an
    /// operation was due. Absent: each stream begins the next when the last has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rate: Option<Rate>,
    /// So many streams have an operation under way at the same time, and all take turns; a `rate`
    /// is then spread over these. Absent: every stream has its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) active: Option<usize>,
}

/// How many operations are due.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize)]
#[serde(untagged)]
pub(crate) enum Rate {
    /// A second.
    PerSecond(f64),
    /// Relative to what the contestants of a comparison can do at most.
    Relative(Relative),
}

/// A rate that a comparison finds out first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Relative {
    /// Half of what a closed loop of the same scenario reaches.
    HalfSaturation,
}

/// What a stream does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// The client sends, the service swallows.
    BulkUp,
    /// The service sends, the client swallows.
    BulkDown,
    /// Both at the same time.
    BulkBoth,
    /// A message and its echo, again and again on one stream.
    PingPong,
    /// A new stream for each message.
    OpenEchoClose,
    /// Opened, tried once, then silent.
    Idle,
    /// The service sends and the client never reads.
    StalledReader,
}

impl Kind {
    /// Whether its work is bytes.
    pub(crate) fn is_bulk(self) -> bool {
        matches!(self, Self::BulkUp | Self::BulkDown | Self::BulkBoth)
    }

    /// Whether its work is operations with a latency each.
    pub(crate) fn has_operations(self) -> bool {
        matches!(self, Self::PingPong | Self::OpenEchoClose)
    }
}

fn default_warmup_seconds() -> f64 {
    0.5
}

fn default_tunnels() -> usize {
    4
}

fn default_bytes() -> usize {
    1024
}

impl Scenario {
    /// A scenario of the harness by its name, or a file by its path.
    pub(crate) fn find(name: &str) -> Result<Self, Failure> {
        if let Some((name, text)) = BUILT_IN.iter().find(|(known, _)| *known == name) {
            return Self::parse(text).during(format!("scenario {name}"));
        }
        if !Path::new(name).exists() {
            let names: Vec<&str> = BUILT_IN.iter().map(|(name, _)| *name).collect();
            return Err(Failure(format!(
                "{name} is neither a file nor one of the scenarios {}",
                names.join(", ")
            )));
        }
        let text = fs::read_to_string(name).during(name)?;
        Self::parse(&text).during(name)
    }

    /// Reads and checks a scenario.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let scenario: Self = toml::from_str(text).map_err(|error| Failure(error.to_string()))?;
        scenario.check()?;
        Ok(scenario)
    }

    /// Whether its numbers make sense.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let wrong = |what: String| Err(Failure(what));
        if !(self.seconds >= 0.1 && self.seconds <= 86_400.0) {
            return wrong(format!("seconds is {}, allowed are 0.1 to 86400", self.seconds));
        }
        if !(self.warmup_seconds >= 0.0 && self.warmup_seconds <= 600.0) {
            return wrong(format!("warmup_seconds is {}, allowed: 0 to 600", self.warmup_seconds));
        }
        if self.tunnels == 0 || self.tunnels > 256 {
            return wrong(format!("tunnels is {}, allowed are 1 to 256", self.tunnels));
        }
        if self.load.is_empty() {
            return wrong("there is no [[load]]; give at least one".to_owned());
        }
        let streams: usize = self.load.iter().map(|load| load.streams).sum();
        if streams == 0 || streams > STREAMS_MAX {
            return wrong(format!("{streams} streams in all, allowed are 1 to {STREAMS_MAX}"));
        }
        if !self.open_streams.is_empty() {
            self.check_open_streams()?;
        }
        self.load.iter().try_for_each(Load::check)
    }

    fn check_open_streams(&self) -> Result<(), Failure> {
        let [Load { active: Some(active), .. }] = self.load[..] else {
            return Err(Failure("open_streams needs one [[load]], with the key active".to_owned()));
        };
        match self.open_streams.iter().find(|number| !(active..=STREAMS_MAX).contains(number)) {
            Some(number) => Err(Failure(format!(
                "open_streams has {number}, allowed are {active} (active) to {STREAMS_MAX}"
            ))),
            None => Ok(()),
        }
    }

    /// The scenario once for each number of its open streams, or as it is.
    pub(crate) fn variants(&self) -> Vec<Self> {
        if self.open_streams.is_empty() {
            return vec![self.clone()];
        }
        let variant = |streams: &usize| {
            let mut variant = self.clone();
            variant.name = format!("{}-{streams}", self.name);
            variant.load.iter_mut().for_each(|load| load.streams = *streams);
            variant
        };
        self.open_streams.iter().map(variant).collect()
    }

    /// Whether a rate of it must be found out first; as it stands it is a closed loop.
    pub(crate) fn is_relative(&self) -> bool {
        self.load.iter().any(|load| matches!(load.rate, Some(Rate::Relative(_))))
    }

    /// Puts a rate where one was relative.
    pub(crate) fn settle_rate(&mut self, per_second: f64) {
        for load in &mut self.load {
            if matches!(load.rate, Some(Rate::Relative(_))) {
                load.rate = Some(Rate::PerSecond(per_second));
            }
        }
    }

    /// Whether the work of the scenario is bytes; otherwise it is operations.
    pub(crate) fn counts_bytes(&self) -> bool {
        self.load.iter().any(|load| load.kind.is_bulk())
    }

    /// Length of the measurement.
    pub(crate) fn length(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    /// Length of the warm-up.
    pub(crate) fn warmup(&self) -> Duration {
        Duration::from_secs_f64(self.warmup_seconds)
    }
}

impl Load {
    /// Operations that are due each second; none in a closed loop.
    pub(crate) fn per_second(&self) -> Option<f64> {
        match self.rate? {
            Rate::PerSecond(rate) => Some(rate),
            Rate::Relative(Relative::HalfSaturation) => None,
        }
    }

    fn check(&self) -> Result<(), Failure> {
        if self.bytes == 0 || self.bytes > MESSAGE_BYTES_MAX {
            return Err(Failure(format!(
                "bytes is {}, allowed are 1 to {MESSAGE_BYTES_MAX}",
                self.bytes
            )));
        }
        match self.active {
            Some(_) if self.kind != Kind::PingPong => {
                return Err(Failure("active is for ping-pong; leave it out of others".to_owned()));
            }
            Some(active) if active == 0 || active > self.streams => {
                let streams = self.streams;
                return Err(Failure(format!("active is {active}, allowed are 1 to {streams}")));
            }
            _ => {}
        }
        match self.rate {
            Some(Rate::PerSecond(rate)) if !(rate > 0.0 && rate <= 1e7) => {
                Err(Failure(format!("rate is {rate}, allowed is more than 0 up to 10 million")))
            }
            Some(_) if !self.kind.has_operations() => Err(Failure(
                "rate is for ping-pong and open-echo-close; leave it out of other loads".to_owned(),
            )),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_file_is_built_in_and_parses_under_its_own_name() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
        let mut files = 0;
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
            assert!(BUILT_IN.iter().any(|(name, _)| *name == stem), "{stem} is not built in");
            assert_eq!(Scenario::find(&stem).unwrap().name, stem);
            assert_eq!(Scenario::find(path.to_str().unwrap()).unwrap().name, stem);
            files += 1;
        }
        assert_eq!(files, BUILT_IN.len());
    }

    #[test]
    fn the_quick_comparison_has_bytes_and_operations() {
        let quick: Vec<Scenario> = BUILT_IN
            .iter()
            .map(|(_, text)| Scenario::parse(text).unwrap())
            .filter(|scenario| scenario.quick)
            .collect();
        assert!(quick.iter().any(Scenario::counts_bytes));
        assert!(quick.iter().any(|scenario| !scenario.counts_bytes()));
    }

    #[test]
    fn a_relative_rate_is_a_closed_loop_until_it_is_settled() {
        let mut scenario = Scenario::find("half-saturation-1k").unwrap();
        assert!(scenario.is_relative());
        assert_eq!(scenario.load[0].per_second(), None);
        scenario.settle_rate(1234.5);
        assert!(!scenario.is_relative());
        assert_eq!(scenario.load[0].per_second(), Some(1234.5));
    }

    #[test]
    fn open_streams_become_a_scenario_each() {
        let scenario = Scenario::find("open-streams").unwrap();
        let variants = scenario.variants();
        assert_eq!(variants.len(), scenario.open_streams.len());
        for (variant, streams) in variants.iter().zip(&scenario.open_streams) {
            variant.check().unwrap();
            assert_eq!(variant.load[0].streams, *streams);
            assert!(variant.name.ends_with(&streams.to_string()));
        }
        assert_eq!(Scenario::find("idle").unwrap().variants().len(), 1);
    }

    #[test]
    fn a_wrong_scenario_is_refused_with_the_key_that_is_wrong() {
        let load = "[[load]]\nkind = \"bulk-up\"\nstreams = 1\n";
        let ping = "[[load]]\nkind = \"ping-pong\"\nstreams = 2\n";
        let open = "open_streams = [2, 99999]\n";
        for (text, word) in [
            (format!("name=\"x\"\nabout=\"\"\nseconds=0\n{load}"), "seconds"),
            (format!("name=\"x\"\nabout=\"\"\nseconds=1\ntunnels=0\n{load}"), "tunnels"),
            (format!("name=\"x\"\nabout=\"\"\nseconds=1\nwarmup_seconds=-1\n{load}"), "warmup"),
            (format!("name=\"x\"\nabout=\"\"\nseconds=1\n{load}rate=5\n"), "rate"),
            (format!("name=\"x\"\nabout=\"\"\nseconds=1\n{load}bytes=0\n"), "bytes"),
            (format!("name=\"x\"\nabout=\"\"\nseconds=1\n{load}colour=1\n"), "colour"),
            (format!("name=\"x\"\nabout=\"\"\nseconds=1\n{load}active=1\n"), "active"),
            (format!("name=\"x\"\nabout=\"\"\nseconds=1\n{ping}active=3\n"), "active"),
            (format!("name=\"x\"\nabout=\"\"\nseconds=1\n{ping}rate=\"fast\"\n"), "rate"),
            (format!("name=\"x\"\nabout=\"\"\nseconds=1\n{open}{ping}"), "active"),
            (format!("name=\"x\"\nabout=\"\"\nseconds=1\n{open}{ping}active=2\n"), "99999"),
            ("name=\"x\"\nabout=\"\"\nseconds=1\nload=[]\n".to_owned(), "load"),
        ] {
            let Failure(words) = Scenario::parse(&text).unwrap_err();
            assert!(words.contains(word), "{words}");
        }
    }
}
