//! Documents nobody would write.

use causeway::mapping::Tenancy;

use crate::{GOOD, named, parse};

/// Whatever a document is turned into, it is read without a panic, each problem has a place in
/// the text, and the documents around it stay.
#[test]
fn any_mutation_is_survived_and_contained() {
    let seed = std::env::var("CAUSEWAY_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("CAUSEWAY_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let pieces = [
        ":", "-", "\n", " ", "\t", "'", "\"", "[", "]", "{", "}", "&a", "*a", "!!str ", "|", ">",
        "%", "#", "ä", "\u{0}", "\r", "? ", "<<: *a", "@", "\u{2028}", "0x", "~", ",", "null",
    ];
    for _ in 0..4000 {
        let mut text: Vec<char> = GOOD.chars().collect();
        for _ in 0..random.usize(1..6) {
            let at = random.usize(..text.len());
            match random.u8(..4) {
                0 => drop(text.remove(at)),
                1 => text.truncate(at.max(1)),
                2 => {
                    let piece = pieces[random.usize(..pieces.len())];
                    text.splice(at..at, piece.chars()).for_each(drop);
                }
                _ => {
                    let end = random.usize(at..text.len());
                    let copy = text[at..end].to_vec();
                    text.splice(at..at, copy).for_each(drop);
                }
            }
            if text.is_empty() {
                text.push('x');
            }
        }
        let mutant: String = text.into_iter().collect();
        // A mutant that is not cut off by a separator of its own may leave only itself behind.
        let file = format!("{}\n---\n{mutant}\n---\n{}", named("first", "f"), named("last", "l"));
        let (mappings, problems) = parse(&file, &Tenancy::Shared);
        let lines = 1 + file.matches('\n').count() + file.matches('\r').count();
        for problem in &problems {
            assert!((1..=lines).contains(&problem.line), "{problem}\n{file}");
        }
        let has = |service: &str| mappings.iter().any(|mapping| mapping.service == service);
        assert!(has("f") && has("l"), "{problems:#?}\n{file}");
    }
}
