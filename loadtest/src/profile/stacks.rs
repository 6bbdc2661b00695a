//! The text of `perf script` as shares of each cause, and as folded stacks for flame graphs.

use std::collections::BTreeMap;

use serde::Serialize;

use super::cause::Cause;

/// Where the samples of a contestant were.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Profile {
    pub(crate) samples: u64,
    /// Shares of all samples, by the function that ran; those of all causes add up to one.
    pub(crate) shares: BTreeMap<Cause, f64>,
    /// Stacks from the outermost function to the one that ran, and how often each was seen: what
    /// flame graph tools read.
    #[serde(skip)]
    pub(super) folded: BTreeMap<String, u64>,
}

impl Profile {
    /// Reads what `perf script -F ip,sym,dso` prints: for each sample the function that ran, then
    /// its callers, and an empty line.
    pub(super) fn parse(text: &str) -> Self {
        let (mut samples, mut counts) = (0, BTreeMap::<Cause, u64>::new());
        let mut folded = BTreeMap::new();
        for sample in text.split("\n\n") {
            let frames: Vec<(&str, &str)> = sample.lines().filter_map(frame).collect();
            let Some((symbol, file)) = frames.first() else { continue };
            samples += 1;
            *counts.entry(Cause::of(symbol, file)).or_default() += 1;
            // A semicolon separates the frames of a folded stack.
            let names = frames.iter().rev().map(|(symbol, _)| symbol.replace(';', ":"));
            *folded.entry(names.collect::<Vec<_>>().join(";")).or_default() += 1;
        }
        let share = |count: u64| count as f64 / samples as f64;
        let shares = counts.into_iter().map(|(cause, count)| (cause, share(count))).collect();
        Self { samples, shares, folded }
    }

    /// A line for each stack.
    pub(super) fn folded_text(&self) -> String {
        self.folded.iter().map(|(stack, count)| format!("{stack} {count}\n")).collect()
    }
}

/// Function and file of a line like `7f01 tcp_ack ([kernel.kallsyms])`.
fn frame(line: &str) -> Option<(&str, &str)> {
    let (_address, rest) = line.trim().split_once(' ')?;
    let (symbol, file) = rest.rsplit_once(" (")?;
    let symbol = symbol.trim();
    Some((symbol, file.strip_suffix(')')?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recorded from a proxy, shortened.
    const RECORDED: &str = "\
\n\tffffffff81ceecb2 tcp_write_xmit ([kernel.kallsyms])\n\
\tffffffff81ce5b2b tcp_sendmsg ([kernel.kallsyms])\n\
\t           d4ad7 __send (/usr/lib/x86_64-linux-gnu/libc.so.6)\n\n\n\
\t          3a1bc4 aws_lc_0_32_0_aesni_gcm_encrypt (/usr/bin/causeway)\n\n\n\
\t          13a1b9 <h2::codec::Codec<T, B> as Sink>::poll (x) (/usr/bin/causeway)\n\
\t          13a100 causeway::relay::drive (/usr/bin/causeway)\n\n\n\
\tffffffff81ceecb2 tcp_write_xmit ([kernel.kallsyms])\n\
\tffffffff81ce5b2b tcp_sendmsg ([kernel.kallsyms])\n\
\t           d4ad7 __send (/usr/lib/x86_64-linux-gnu/libc.so.6)\n\n";

    #[test]
    fn a_sample_belongs_to_the_function_that_ran() {
        let profile = Profile::parse(RECORDED);
        assert_eq!(profile.samples, 4);
        let shares = [(Cause::Kernel, 0.5), (Cause::Tls, 0.25), (Cause::Http2, 0.25)];
        assert_eq!(profile.shares, BTreeMap::from(shares));
    }

    #[test]
    fn folded_stacks_begin_with_the_outermost_function() {
        let expected = "\
            __send;tcp_sendmsg;tcp_write_xmit 2\n\
            aws_lc_0_32_0_aesni_gcm_encrypt 1\n\
            causeway::relay::drive;<h2::codec::Codec<T, B> as Sink>::poll (x) 1\n";
        assert_eq!(Profile::parse(RECORDED).folded_text(), expected);
    }

    #[test]
    fn no_samples_are_no_shares() {
        let profile = Profile::parse("\n\n");
        assert_eq!((profile.samples, profile.shares.len()), (0, 0));
    }
}
