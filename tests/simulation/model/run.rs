//! One run: anything happens, then everything must come to its end and no credit be missing.

use super::{
    choices::Choices,
    flow::Outcome,
    operations::{self, Plan},
    strand::{CLIENT, SERVER, Strand},
    tally::Tally,
    tap::{Mood, Tap},
    world::World,
};

/// Ticks in which everything must be over once nobody stalls.
const SETTLE_TICKS_MAX: u64 = 200_000;
/// Ticks without anything to do after which nothing will ever happen.
const QUIET_TICKS: u64 = 3;
/// Stream window while the connection's is measured: larger than any of those.
const PROBE_WINDOW: u32 = 1 << 20;

/// Runs once. On failure: what went wrong and what led to it.
pub(crate) fn run(choices: Choices) -> Result<Tally, String> {
    let mut world = World::new(choices);
    match live(&mut world) {
        Ok(()) => Ok(count(&world)),
        Err(problem) => Err(format!("tick {}: {problem}\n{}", world.tick, world.story())),
    }
}

fn live(world: &mut World) -> Result<(), String> {
    let mut plan = Plan::new(world);
    for _ in 0..plan.operations {
        plan.operate(world)?;
        for _ in 0..world.choices.below(8) {
            world.step()?;
        }
    }
    world.note("settling".to_owned());
    world.settling = true;
    until(world, "streams end", true, |world| world.strands.iter().all(Strand::is_over))?;
    if world.cut.is_none() && !world.draining {
        probe(world)?;
        world.note("the client retires".to_owned());
        world.requests = None;
    }
    world.draining = true;
    world.requests = None;
    let end = |world: &World| world.cores.iter().all(|core| core.is_over());
    until(world, "sessions end", false, end)?;
    for core in &world.cores {
        if world.cut.is_none() && core.pongs < core.pings.saturating_sub(1) {
            return Err(format!("{} of {} pings were answered", core.pongs, core.pings));
        }
    }
    Ok(())
}

/// Lets time pass until something is so. `urging` has all ends read and finish.
pub(super) fn until(
    world: &mut World,
    what: &str,
    urging: bool,
    done: impl Fn(&World) -> bool,
) -> Result<(), String> {
    let mut quiet = 0;
    for _ in 0..SETTLE_TICKS_MAX {
        if done(world) {
            return Ok(());
        }
        if urging {
            for tap in world.strands.iter_mut().flat_map(|strand| strand.taps.iter_mut().flatten())
            {
                tap.urge();
            }
        }
        world.step()?;
        quiet = if world.is_quiet() { quiet + 1 } else { 0 };
        if quiet > QUIET_TICKS {
            break;
        }
    }
    let left: Vec<String> = (0..world.strands.len())
        .filter(|index| !world.strands[*index].is_over())
        .map(|index| format!("s{index} {:?}", world.strands[index].flows))
        .collect();
    Err(format!("hangs before all {what}; left: {}", left.join("\n")))
}

/// All streams are over: the whole window of both connections must be there. A session gives
/// credit back when it has half a window of it, so a last stream first uses up what there is.
fn probe(world: &mut World) -> Result<(), String> {
    for core in &mut world.cores {
        core.wish(|wishes| wishes.window = Some(PROBE_WINDOW));
    }
    let in_force = |world: &World| {
        world.ledgers.iter().all(|ledger| ledger.has_stream_window(PROBE_WINDOW.into()))
    };
    until(world, "windows are in force", false, |world| {
        world.requests.is_some() && in_force(world)
    })?;
    operations::open(world);
    let index = world.strands.len() - 1;
    until(world, "probes are open", false, |world| {
        let taps = &world.strands[index].taps;
        taps.iter().all(Option::is_some)
    })?;
    for side in [CLIENT, SERVER] {
        let ledger = &world.ledgers[side];
        let (credit, announced) = (ledger.credit(), ledger.announced);
        if credit * 2 < announced {
            return Err(format!("side {side} has {credit} of {announced} bytes of credit left"));
        }
        tap(world, index, 1 - side).set_mood(Mood::Hoards);
    }
    // What was let go of before may become credit only now that little is left.
    while world.ledgers.iter().any(|ledger| ledger.credit() > 0) {
        for side in [CLIENT, SERVER] {
            let credit = world.ledgers[side].credit() as usize;
            if credit > 0 {
                tap(world, index, side).send(credit);
            }
        }
        until(world, "credit is used", false, World::is_quiet)?;
    }
    for side in [CLIENT, SERVER] {
        tap(world, index, side).let_go_of_all();
    }
    until(world, "credit is back", false, |world| {
        world.ledgers.iter().all(|ledger| ledger.is_whole())
    })?;
    world.tally.whole_windows += 2;
    until(world, "probes end", true, |world| world.strands[index].is_over())
}

pub(super) fn tap(world: &mut World, index: usize, side: usize) -> &mut Tap {
    world.strands[index].taps[side].as_mut().expect("the probe is open on both sides")
}

fn count(world: &World) -> Tally {
    let mut tally = world.tally;
    tally.ticks = world.tick;
    tally.windows = world.cores.iter().map(|core| core.windows).sum();
    tally.pongs = world.cores.iter().map(|core| core.pongs).sum();
    for flow in world.strands.iter().flat_map(|strand| &strand.flows) {
        tally.bytes += flow.received;
        match flow.outcome {
            Some(Outcome::Clean) => tally.clean += 1,
            Some(Outcome::Failed(_)) if world.cut.is_some() => tally.lost += 1,
            Some(Outcome::Failed(_)) => tally.aborted += 1,
            None => {}
        }
    }
    tally
}
