//! Lives that are not random, for a fault worth remembering.

use super::{
    choices::Choices,
    operations,
    run::{tap, until},
    strand::{CLIENT, SERVER, Strand},
    world::World,
};

const WINDOW: u32 = 180_000;
/// Less than a third of the window: its reader has let go of it, the session gives no credit yet.
const FIRST_BYTES: usize = 59_000;
const SMALLER_WINDOW: u32 = 20_000;

/// A stream moves something, its window shrinks below that, and it is to move more. With `pokes`
/// the reader lets go of nothing once more when the smaller window is in force.
pub(crate) fn shrink_after_a_third(seed: u64, pokes: bool) -> Result<(), String> {
    let mut world = World::new(Choices::seeded(seed));
    world.pokes = pokes;
    world.settling = true;
    announce(&mut world, WINDOW)?;
    operations::open(&mut world);
    until(&mut world, "streams are open", false, |world| {
        world.strands[0].taps.iter().all(Option::is_some)
    })?;
    tap(&mut world, 0, SERVER).let_go_of_all();
    tap(&mut world, 0, CLIENT).send(FIRST_BYTES);
    let read = |world: &World| {
        world.strands[0].flows[CLIENT].released == FIRST_BYTES as u64 && world.is_quiet()
    };
    until(&mut world, "bytes are read", false, read)?;
    announce(&mut world, SMALLER_WINDOW)?;
    tap(&mut world, 0, CLIENT).send(FIRST_BYTES);
    until(&mut world, "streams end", true, |world| world.strands.iter().all(Strand::is_over))
}

fn announce(world: &mut World, window: u32) -> Result<(), String> {
    world.cores[SERVER].wish(|wishes| wishes.window = Some(window));
    until(world, "windows are in force", false, |world| {
        world.requests.is_some()
            && world.ledgers[CLIENT].has_stream_window(window.into())
            && world.is_quiet()
    })
}
