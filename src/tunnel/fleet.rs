//! The tunnels of one channel in mode `multiplexed`: how many to open, which carries a new
//! stream, which to replace. The invariant: as many healthy tunnels as wanted, or dials under way
//! for the missing ones; a tunnel that is being retired counts for neither.

use std::time::{Duration, Instant};

use crate::limits;

/// What the fleet needs to know of a tunnel.
pub trait Vessel {
    /// Payload bytes sent and not yet acknowledged by credit, both ways.
    fn bytes_in_flight(&self) -> usize;
    /// Streams open on it.
    fn streams(&self) -> usize;
    /// Streams it may have open.
    fn streams_max(&self) -> usize;
    /// Whether new streams may be opened on it.
    fn is_open(&self) -> bool;
    /// Whether it is gone.
    fn is_closed(&self) -> bool;
}

#[derive(Debug)]
struct Berth<T> {
    vessel: T,
    retire_at: Instant,
    /// Its replacement is up, or it takes no more streams: it only finishes what it carries.
    retiring: bool,
}

/// The tunnels of one channel on one worker.
///
/// Streams are long-lived and a tunnel has places for only so many, so a fleet whose places are
/// three quarters taken grows beyond what is configured, and shrinks again when they are not.
#[derive(Debug)]
pub struct Fleet<T> {
    configured: usize,
    dialling: usize,
    berths: Vec<Berth<T>>,
}

impl<T: Vessel + Clone> Fleet<T> {
    /// A fleet that wants `wanted` tunnels.
    #[must_use]
    pub fn new(configured: usize) -> Self {
        Self { configured, dialling: 0, berths: Vec::new() }
    }

    /// Tunnels that take streams.
    #[must_use]
    pub fn healthy(&self) -> usize {
        self.berths.iter().filter(|berth| !berth.retiring && berth.vessel.is_open()).count()
    }

    /// Tunnels wanted whatever they carry.
    #[must_use]
    pub fn configured(&self) -> usize {
        self.configured
    }

    /// Tunnels wanted for what they carry now.
    fn wanted(&self) -> usize {
        if self.configured == 0 {
            // This worker has no part in the channel.
            return 0;
        }
        let open = || self.berths.iter().filter(|berth| berth.vessel.is_open());
        let streams: usize = open().map(|berth| berth.vessel.streams()).sum();
        let places = open().map(|berth| berth.vessel.streams_max()).min().unwrap_or(usize::MAX);
        let enough = streams.div_ceil((places / 4 * 3).max(1));
        enough.clamp(self.configured, limits::CONNECTIONS_PER_CHANNEL_MAX)
    }

    fn lasting(&self, now: Instant) -> usize {
        let lasts = |b: &&Berth<T>| !b.retiring && b.vessel.is_open() && now < b.retire_at;
        self.berths.iter().filter(lasts).count()
    }

    /// How many dials should be started now: for what is missing, and one ahead for a tunnel
    /// whose time has come, so that its replacement is up before it is retired.
    #[must_use]
    pub fn missing(&self, now: Instant) -> usize {
        self.wanted().saturating_sub(self.lasting(now) + self.dialling)
    }

    /// A dial for this fleet began.
    pub fn dial_started(&mut self) {
        self.dialling += 1;
    }

    /// A dial for this fleet ended. `jitter` below 1.0 spreads the end of life over its last
    /// tenth, so that tunnels opened together are not replaced together.
    pub fn dial_ended(&mut self, vessel: Option<T>, jitter: f64, now: Instant) {
        self.dialling = self.dialling.saturating_sub(1);
        if let Some(vessel) = vessel {
            let life = limits::TUNNEL_AGE_MAX.mul_f64(0.9 + 0.1 * jitter.clamp(0.0, 1.0));
            self.berths.push(Berth { vessel, retire_at: now + life, retiring: false });
        }
    }

    /// The tunnel for a new stream: of those with a place, the one with the fewest bytes in
    /// flight, and of equals the one with the fewest streams. One that is due for replacement
    /// still serves while there is no other.
    #[must_use]
    pub fn place(&self) -> Option<T> {
        let free = |berth: &&Berth<T>| {
            berth.vessel.is_open() && berth.vessel.streams() < berth.vessel.streams_max()
        };
        let load = |berth: &&Berth<T>| {
            (berth.retiring, berth.vessel.bytes_in_flight(), berth.vessel.streams())
        };
        self.berths.iter().filter(free).min_by_key(load).map(|berth| berth.vessel.clone())
    }

    /// Makes every tunnel due for replacement: what they were opened with has changed.
    pub fn renew(&mut self, now: Instant) {
        for berth in &mut self.berths {
            berth.retire_at = berth.retire_at.min(now);
        }
    }

    /// Drops tunnels that are gone, and hands out those to be retired now: their time has come
    /// and there are enough others. The caller lets them finish their streams.
    pub fn upkeep(&mut self, now: Instant) -> Vec<T> {
        self.berths.retain(|berth| !berth.vessel.is_closed());
        let (lasting, wanted) = (self.lasting(now), self.wanted());
        if lasting < wanted {
            return Vec::new();
        }
        if lasting > wanted {
            // One at a time: the next tick looks again.
            let idle = |b: &&mut Berth<T>| !b.retiring && b.vessel.streams() == 0;
            if let Some(berth) = self.berths.iter_mut().find(idle) {
                berth.retire_at = berth.retire_at.min(now);
            }
        }
        let due = |berth: &&mut Berth<T>| !berth.retiring && now >= berth.retire_at;
        self.berths
            .iter_mut()
            .filter(due)
            .map(|berth| {
                berth.retiring = true;
                berth.vessel.clone()
            })
            .collect()
    }

    /// All tunnels, retiring ones too.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.berths.iter().map(|berth| &berth.vessel)
    }
}

/// How long a stream waits for a tunnel while none is up: a proxy's restart goes unnoticed.
pub const PLACE_TIMEOUT: Duration = limits::TUNNEL_DIAL_TIMEOUT;

#[cfg(test)]
mod tests {
    use std::{cell::Cell, rc::Rc};

    use super::*;

    #[derive(Default)]
    struct Boat {
        bytes: Cell<usize>,
        streams: Cell<usize>,
        shut: Cell<bool>,
        gone: Cell<bool>,
    }

    impl Vessel for Rc<Boat> {
        fn bytes_in_flight(&self) -> usize {
            self.bytes.get()
        }
        fn streams(&self) -> usize {
            self.streams.get()
        }
        fn streams_max(&self) -> usize {
            10
        }
        fn is_open(&self) -> bool {
            !self.shut.get() && !self.gone.get()
        }
        fn is_closed(&self) -> bool {
            self.gone.get()
        }
    }

    fn fleet_of(boats: &[Rc<Boat>], wanted: usize, now: Instant) -> Fleet<Rc<Boat>> {
        let mut fleet = Fleet::new(wanted);
        for boat in boats {
            fleet.dial_started();
            fleet.dial_ended(Some(boat.clone()), 0.5, now);
        }
        fleet
    }

    #[test]
    fn a_stream_goes_where_the_fewest_bytes_are_in_flight() {
        let boats: Vec<Rc<Boat>> = (0..3).map(|_| Rc::default()).collect();
        let fleet = fleet_of(&boats, 3, Instant::now());
        boats[0].bytes.set(10);
        boats[2].streams.set(5);
        assert!(Rc::ptr_eq(&fleet.place().unwrap(), &boats[1]));
        boats[1].streams.set(10);
        assert!(Rc::ptr_eq(&fleet.place().unwrap(), &boats[2]));
    }

    #[test]
    fn the_fleet_grows_when_its_places_fill_and_shrinks_when_they_empty() {
        let now = Instant::now();
        let boats: Vec<Rc<Boat>> = (0..2).map(|_| Rc::default()).collect();
        let mut fleet = fleet_of(&boats[..1], 1, now);
        boats[0].streams.set(6);
        assert_eq!(fleet.missing(now), 0);
        boats[0].streams.set(7);
        assert_eq!(fleet.missing(now), 1, "three quarters of ten places are taken");
        fleet.dial_started();
        fleet.dial_ended(Some(boats[1].clone()), 0.5, now);
        assert_eq!(fleet.missing(now), 0);
        assert!(fleet.upkeep(now).is_empty(), "both are needed");
        boats[0].streams.set(1);
        let retired = fleet.upkeep(now);
        assert!(retired.len() == 1 && Rc::ptr_eq(&retired[0], &boats[1]));
        assert_eq!(fleet.missing(now), 0);
    }

    #[test]
    fn a_lost_tunnel_is_missing_and_one_that_takes_no_more_is_too() {
        let now = Instant::now();
        let boats: Vec<Rc<Boat>> = (0..2).map(|_| Rc::default()).collect();
        let mut fleet = fleet_of(&boats, 2, now);
        assert_eq!(fleet.missing(now), 0);
        boats[0].shut.set(true);
        assert_eq!((fleet.missing(now), fleet.healthy()), (1, 1));
        boats[1].gone.set(true);
        fleet.upkeep(now);
        assert_eq!((fleet.missing(now), fleet.iter().count()), (2, 1));
        assert!(fleet.place().is_none());
    }

    #[test]
    fn the_replacement_is_up_before_the_old_tunnel_is_retired() {
        let now = Instant::now();
        let old: Rc<Boat> = Rc::default();
        let mut fleet = fleet_of(std::slice::from_ref(&old), 1, now);
        fleet.renew(now);
        assert_eq!(fleet.missing(now), 1);
        assert!(fleet.upkeep(now).is_empty(), "nothing is retired while nothing replaces it");
        assert!(Rc::ptr_eq(&fleet.place().unwrap(), &old));
        fleet.dial_started();
        assert_eq!(fleet.missing(now), 0);
        let new: Rc<Boat> = Rc::default();
        fleet.dial_ended(Some(new.clone()), 0.5, now);
        let retired = fleet.upkeep(now);
        assert!(retired.len() == 1 && Rc::ptr_eq(&retired[0], &old));
        assert!(fleet.upkeep(now).is_empty(), "it is handed out once");
        old.bytes.set(0);
        new.bytes.set(1000);
        assert!(Rc::ptr_eq(&fleet.place().unwrap(), &new), "a retiring tunnel comes last");
    }
}
