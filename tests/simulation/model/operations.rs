//! What may happen to the streams, at any time and in any order.

use super::{
    flow::Cut,
    open::Opening,
    strand::{CLIENT, SERVER, Strand},
    tap::{Leave, Mood, Tap},
    world::World,
};

/// Streams of one run.
const STREAMS_MAX: usize = 30;
/// Requests given up in one run; the session bears twenty before it has accepted them.
const GIVEN_UP_MAX: usize = 15;

/// What this run may do besides the ordinary.
pub(crate) struct Plan {
    pub(crate) operations: usize,
    streams_max: usize,
    chunk_bytes_max: usize,
    cuts: bool,
    drains: bool,
    given_up: usize,
}

impl Plan {
    pub(crate) fn new(world: &mut World) -> Self {
        let choices = &mut world.choices;
        Self {
            operations: choices.between(10, 120),
            streams_max: choices.between(1, STREAMS_MAX),
            chunk_bytes_max: [200, 5_000, 30_000, 120_000][choices.below(4)],
            cuts: choices.chance(25),
            drains: choices.chance(20),
            given_up: 0,
        }
    }

    /// One operation.
    pub(crate) fn operate(&mut self, world: &mut World) -> Result<(), String> {
        match world.choices.below(100) {
            0..20 => self.open(world),
            20..55 => self.send(world),
            55..65 => on_a_tap(world, "finishes", Tap::finish),
            65..68 => on_a_tap(world, "leaves at once", |tap| tap.leave(Leave::AtOnce)),
            68..72 => on_a_tap(world, "leaves after all", |tap| tap.leave(Leave::AfterAll)),
            72..76 => stall(world, Mood::Hoards),
            76..80 => stall(world, Mood::Sleeps),
            80..88 => on_a_tap(world, "reads", |tap| tap.set_mood(Mood::Reads)),
            88..91 => resize(world),
            91..94 => ping(world),
            94..96 => self.give_up(world),
            96..98 if self.drains => drain(world),
            98..100 if self.cuts => return cut(world),
            _ => {}
        }
        Ok(())
    }

    fn open(&self, world: &mut World) {
        if world.strands.len() < self.streams_max {
            open(world);
        }
    }

    fn send(&self, world: &mut World) {
        let sizes: Vec<usize> = (0..world.choices.between(1, 5))
            .map(|_| world.choices.between(1, self.chunk_bytes_max))
            .collect();
        on_a_tap(world, &format!("sends {sizes:?}"), |tap| {
            for bytes in sizes {
                tap.send(bytes);
            }
        });
    }

    fn give_up(&mut self, world: &mut World) {
        let Some(index) = world.strands.iter().position(Strand::is_opening) else { return };
        if self.given_up < GIVEN_UP_MAX {
            self.given_up += 1;
            world.note(format!("the client gives up s{index}"));
            world.strands[index].give_up();
        }
    }
}

/// Asks for one more stream, if the session takes any.
pub(crate) fn open(world: &mut World) -> bool {
    let Some(requests) = world.requests.clone() else { return false };
    let index = world.strands.len();
    world.note(format!("the client opens s{index}"));
    world.strands.push(Strand::new(Opening::new(requests, index), index));
    world.tally.streams += 1;
    true
}

fn on_a_tap(world: &mut World, what: &str, act: impl FnOnce(&mut Tap)) {
    let is_open =
        |strand: &Strand, side: usize| strand.taps[side].as_ref().is_some_and(|tap| tap.is_open());
    let open: Vec<(usize, usize)> = (0..world.strands.len())
        .flat_map(|index| [(index, CLIENT), (index, SERVER)])
        .filter(|(index, side)| is_open(&world.strands[*index], *side))
        .collect();
    if open.is_empty() {
        return;
    }
    let (index, side) = open[world.choices.below(open.len())];
    world.note(format!("side {side} of s{index} {what}"));
    if let Some(tap) = &mut world.strands[index].taps[side] {
        act(tap);
    }
}

fn stall(world: &mut World, mood: Mood) {
    world.tally.stalls += 1;
    on_a_tap(world, "stalls", |tap| tap.set_mood(mood));
}

fn resize(world: &mut World) {
    let (side, window) =
        (world.choices.below(2), [500, 10_000, 65_535, 100_000, 1_000_000][world.choices.below(5)]);
    world.note(format!("side {side} announces stream windows of {window}"));
    world.cores[side].wish(|wishes| wishes.window = Some(window));
}

fn ping(world: &mut World) {
    let side = world.choices.below(2);
    world.cores[side].wish(|wishes| wishes.ping = true);
}

fn drain(world: &mut World) {
    if world.draining || world.requests.is_none() || world.cut.is_some() {
        return;
    }
    world.tally.drains += 1;
    world.draining = true;
    if world.choices.chance(70) {
        world.note("the server drains".to_owned());
        world.cores[SERVER].wish(|wishes| wishes.drain = true);
    } else {
        world.note("the client retires".to_owned());
        world.requests = None;
    }
}

fn cut(world: &mut World) -> Result<(), String> {
    if world.cut.is_some() {
        return Ok(());
    }
    let how = if world.choices.chance(60) { Cut::Reads } else { Cut::Both };
    world.note(format!("the connection breaks: {how:?}"));
    world.tally.cuts += 1;
    world.sever(how)
}
