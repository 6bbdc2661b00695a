//! What a comparison does, in which order, and how long that takes.

use crate::{
    contestants::{Contestant, Setup},
    failure::Failure,
    scenario::Scenario,
};

/// A quick comparison ends within this time: three minutes, less what it cannot foresee.
const QUICK_SECONDS: f64 = 165.0;
/// Starting and ending a contestant and opening streams, on the machine this was measured on.
const AROUND_SECONDS: f64 = 0.7;
/// A second process of a contestant starts and ends as well.
const AROUND_CHAIN_SECONDS: f64 = 1.0;
/// A thousand streams with a full handshake each, on that machine.
const AROUND_THOUSAND_STREAMS_SECONDS: f64 = 1.0;
/// Shorter ones measure the clock ticks of /proc.
const MEASURED_SECONDS_MIN: f64 = 0.5;
/// Long enough for windows and buffers to have grown over loopback.
const QUICK_WARMUP_SECONDS: f64 = 0.3;
/// A throughput in wall-clock time needs no longer.
const CALIBRATION_SECONDS_MAX: f64 = 2.0;
/// The median of three is not that of the one round in which something else ran.
const CALIBRATION_ROUNDS_MAX: usize = 3;
/// Bytes, and messages.
const QUICK_CHAINS: [&str; 2] = ["bulk-up", "ping-pong-1k"];
/// Fewer show no spread.
pub(super) const QUICK_ROUNDS: usize = 2;
/// A median of fewer is luck on a shared machine.
pub(super) const ROUNDS: usize = 5;

/// A scenario and who takes part in it.
#[derive(Debug, Clone)]
pub(super) struct Block {
    pub(super) scenario: Scenario,
    pub(super) setup: Setup,
    pub(super) contestants: Vec<Contestant>,
    /// The scenario file that it is a variant of: variants are measured in turns as well.
    pub(super) family: String,
}

/// What a measurement is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To find out what a contestant can do at most.
    Calibration,
    /// To be reported.
    Round(usize),
    /// To see where CPU time goes; its figures do not count.
    Profile,
}

/// One measurement of a contestant in a block, by their positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) block: usize,
    pub(super) contestant: usize,
    pub(super) purpose: Purpose,
}

/// A scenario's variants as blocks. Where latency is compared with that of nobody, nobody takes
/// part.
pub(super) fn blocks(scenario: &Scenario, setup: Setup, contestants: &[Contestant]) -> Vec<Block> {
    let mut contestants = contestants.to_vec();
    if scenario.is_relative() {
        contestants.push(Contestant::nobody());
    }
    let block = |variant: Scenario| Block {
        scenario: variant,
        setup,
        contestants: contestants.clone(),
        family: scenario.name.clone(),
    };
    scenario.variants().into_iter().map(block).collect()
}

/// The whole chains of a quick comparison: one scenario of bytes and one of messages, with as many
/// contestants as there is time for.
pub(super) fn quick_chains(contestants: &[Contestant]) -> Result<Vec<Block>, Failure> {
    let multiplexes =
        |one: &Contestant| one.engine_and_mode().is_some_and(|(_, mode)| mode == "multiplexed");
    let some: Vec<Contestant> =
        contestants.iter().filter(|one| multiplexes(one) || one.is_haproxy()).cloned().collect();
    let mut all = Vec::new();
    for name in QUICK_CHAINS {
        all.extend(blocks(&Scenario::find(name)?, Setup::Chain, &some));
    }
    Ok(all)
}

/// Family by family, round by round, everybody in each: A B C, then B C A, each with all variants.
/// What one leaves behind in the kernel (connections in TIME_WAIT above all) then meets each of the
/// others in turn. Calibrations come before the rounds of their block, profiles after them.
pub(super) fn turns(blocks: &[Block], rounds: usize, profile: bool) -> Vec<Turn> {
    let mut all = Vec::new();
    let mut begin = 0;
    while begin < blocks.len() {
        let first = &blocks[begin];
        let same = |block: &&Block| block.family == first.family && block.setup == first.setup;
        let family: Vec<usize> =
            (begin..begin + blocks[begin..].iter().take_while(same).count()).collect();
        begin += family.len();
        let contestants = first.contestants.len();
        let mut turn = |round: usize, purpose: Purpose| {
            for position in 0..contestants {
                let contestant = (position + round) % contestants;
                all.extend((0..family.len()).map(|variant| {
                    let block = family[(variant + round) % family.len()];
                    Turn { block, contestant, purpose }
                }));
            }
        };
        if first.scenario.is_relative() {
            (0..rounds.min(CALIBRATION_ROUNDS_MAX))
                .for_each(|round| turn(round, Purpose::Calibration));
        }
        (0..rounds).for_each(|round| turn(round, Purpose::Round(round)));
        if profile {
            turn(0, Purpose::Profile);
        }
    }
    all
}

/// The closed loop that tells what a contestant can do at most: the scenario itself, not longer
/// than it has to be.
pub(super) fn calibration(scenario: &Scenario) -> Scenario {
    Scenario { seconds: scenario.seconds.min(CALIBRATION_SECONDS_MAX), ..scenario.clone() }
}

/// Shortens scenarios so that all turns fit into a quick comparison.
pub(super) fn quicken(blocks: &mut [Block], rounds: usize) {
    let turns = turns(blocks, rounds, false);
    let around: f64 = turns.iter().map(|turn| around(&blocks[turn.block])).sum();
    let each = (QUICK_SECONDS - around) / turns.len().max(1) as f64;
    let measured = (each - QUICK_WARMUP_SECONDS).max(MEASURED_SECONDS_MIN);
    for Block { scenario, .. } in blocks {
        scenario.seconds = scenario.seconds.min(measured);
        scenario.warmup_seconds = scenario.warmup_seconds.min(QUICK_WARMUP_SECONDS);
    }
}

/// How long turns take, about.
pub(super) fn seconds(blocks: &[Block], turns: &[Turn]) -> f64 {
    let seconds = |turn: &Turn| {
        let block = &blocks[turn.block];
        let measured = match turn.purpose {
            Purpose::Calibration => calibration(&block.scenario).seconds,
            Purpose::Round(_) | Purpose::Profile => block.scenario.seconds,
        };
        measured + block.scenario.warmup_seconds + around(block)
    };
    turns.iter().map(seconds).sum()
}

fn around(block: &Block) -> f64 {
    let streams: usize = block.scenario.load.iter().map(|load| load.streams).sum();
    let opening = streams as f64 / 1e3 * AROUND_THOUSAND_STREAMS_SECONDS;
    opening
        + match block.setup {
            Setup::Proxy => AROUND_SECONDS,
            Setup::Chain => AROUND_CHAIN_SECONDS,
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{contestants::lineup, scenario::BUILT_IN};

    fn contestants(number: usize) -> Vec<Contestant> {
        (0..number).map(|_| Contestant::nobody()).collect()
    }

    fn named(name: &str, number: usize) -> Vec<Block> {
        blocks(&Scenario::find(name).unwrap(), Setup::Proxy, &contestants(number))
    }

    fn order(turns: &[Turn]) -> Vec<(usize, usize)> {
        turns.iter().map(|turn| (turn.block, turn.contestant)).collect()
    }

    #[test]
    fn contestants_take_turns_within_each_round() {
        let both = [named("bulk-up", 2), named("idle", 2)].concat();
        let expected = [(0, 0), (0, 1), (0, 1), (0, 0), (1, 0), (1, 1), (1, 1), (1, 0)];
        assert_eq!(order(&turns(&both, 2, false)), expected);
    }

    #[test]
    fn variants_of_a_scenario_take_turns_with_each_contestant() {
        let mut family = named("open-streams", 2);
        family.truncate(2);
        let expected = [(0, 0), (1, 0), (0, 1), (1, 1), (1, 1), (0, 1), (1, 0), (0, 0)];
        assert_eq!(order(&turns(&family, 2, false)), expected);
    }

    #[test]
    fn a_relative_rate_is_calibrated_first_with_nobody_beside_the_others() {
        let block = named("half-saturation-1k", 2);
        assert_eq!(block[0].contestants.len(), 3);
        let turns = turns(&block, 5, true);
        let calibrations = CALIBRATION_ROUNDS_MAX * 3;
        let purposes = turns.iter().map(|turn| turn.purpose);
        assert!(purposes.clone().take(calibrations).all(|one| one == Purpose::Calibration));
        assert!(purposes.clone().skip(calibrations).all(|one| one != Purpose::Calibration));
        assert_eq!(purposes.filter(|one| *one == Purpose::Profile).count(), 3);
    }

    #[test]
    fn a_quick_comparison_of_everybody_fits_three_minutes() {
        let quick = BUILT_IN.iter().map(|(_, text)| Scenario::parse(text).unwrap());
        let mut all: Vec<Block> = quick
            .filter(|scenario| scenario.quick)
            .flat_map(|scenario| blocks(&scenario, Setup::Proxy, &contestants(9)))
            .collect();
        let everybody = lineup(std::path::Path::new("/nowhere/causeway")).unwrap();
        let chains = quick_chains(&everybody).unwrap();
        assert!(chains.iter().all(|block| block.contestants.len() == 3));
        all.extend(chains);
        quicken(&mut all, QUICK_ROUNDS);
        let turns = turns(&all, QUICK_ROUNDS, false);
        assert!(seconds(&all, &turns) <= 180.0);
        assert!(all.iter().all(|block| block.scenario.seconds >= MEASURED_SECONDS_MIN));
    }
}
