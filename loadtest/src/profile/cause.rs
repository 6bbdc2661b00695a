//! What a sampled function is there for.

use serde::Serialize;

/// A kind of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Cause {
    /// System calls, TCP, interrupts; copies between kernel and program too.
    Kernel,
    /// Records and handshakes.
    Tls,
    /// Of memory within the program.
    Copies,
    /// Frames, flow control and headers.
    Http2,
    /// Getting and giving back memory.
    Allocator,
    /// Tasks, timers and readiness.
    Runtime,
    /// The program's own code, and what could not be named.
    Rest,
}

/// Names that tell a cause wherever a symbol has them. In a symbol with several the first one
/// counts: it is the outermost, and the others are types it is made for.
const NAMES: [(&str, Cause); 22] = [
    ("causeway", Cause::Rest),
    ("rustls", Cause::Tls),
    ("aws_lc", Cause::Tls),
    ("aes_", Cause::Tls),
    ("aesni", Cause::Tls),
    ("gcm_", Cause::Tls),
    ("ghash", Cause::Tls),
    ("x25519", Cause::Tls),
    ("ecp_nistz256", Cause::Tls),
    ("sha256_", Cause::Tls),
    ("memmove", Cause::Copies),
    ("memcpy", Cause::Copies),
    ("h2::", Cause::Http2),
    ("hpack", Cause::Http2),
    ("je_", Cause::Allocator),
    ("_rjem", Cause::Allocator),
    ("malloc", Cause::Allocator),
    ("calloc", Cause::Allocator),
    ("realloc", Cause::Allocator),
    ("_int_free", Cause::Allocator),
    ("tokio", Cause::Runtime),
    ("mio::", Cause::Runtime),
];

/// Programs in C have their TLS in libraries of their own.
const TLS_LIBRARIES: [&str; 2] = ["libcrypto", "libssl"];

impl Cause {
    /// All, as they are shown.
    pub(crate) const ALL: [Self; 7] = [
        Self::Kernel,
        Self::Tls,
        Self::Copies,
        Self::Http2,
        Self::Allocator,
        Self::Runtime,
        Self::Rest,
    ];

    /// Of a function and the file that it is in.
    pub(super) fn of(symbol: &str, file: &str) -> Self {
        // [kernel.kallsyms], and the names of modules, which are in brackets or files of their own.
        if (file.starts_with('[') && file != "[unknown]" && file != "[vdso]")
            || file.ends_with(".ko")
        {
            return Self::Kernel;
        }
        if TLS_LIBRARIES.iter().any(|library| file.contains(library)) {
            return Self::Tls;
        }
        if matches!(symbol, "free" | "cfree" | "__libc_free") {
            return Self::Allocator;
        }
        let found = NAMES.iter().filter_map(|(name, cause)| {
            let at = position(symbol, name)?;
            Some((at, *cause))
        });
        found.min_by_key(|(at, _)| *at).map_or(Self::Rest, |(_, cause)| cause)
    }

    /// Its name in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::Tls => "TLS",
            Self::Copies => "copies",
            Self::Http2 => "HTTP/2",
            Self::Allocator => "allocator",
            Self::Runtime => "runtime",
            Self::Rest => "rest",
        }
    }
}

/// Where a name begins in a symbol, if it does so at the beginning of a word: `je_` is not in
/// `obje_ct`. What a program's own modules are called is not a crate's name: `causeway` is first
/// there.
fn position(symbol: &str, name: &str) -> Option<usize> {
    let begins = |at: usize| {
        let before = symbol[..at].chars().next_back();
        before.is_none_or(|character| !character.is_ascii_alphanumeric())
    };
    symbol.match_indices(name).map(|(at, _)| at).find(|at| begins(*at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_known_by_their_names_and_files() {
        let program = "/usr/bin/causeway";
        let libc = "/usr/lib/x86_64-linux-gnu/libc.so.6";
        for (symbol, file, cause) in [
            ("tcp_sendmsg_locked", "[kernel.kallsyms]", Cause::Kernel),
            ("nft_do_chain", "[nf_tables]", Cause::Kernel),
            ("aws_lc_0_32_0_aesni_gcm_encrypt", program, Cause::Tls),
            ("aes_gcm_encrypt_avx512", program, Cause::Tls),
            ("<rustls::conn::unbuffered::UnbufferedConnectionCommon<T>>::process", program, {
                Cause::Tls
            }),
            ("EVP_AEAD_CTX_seal", "/usr/lib/x86_64-linux-gnu/libcrypto.so.3", Cause::Tls),
            ("__memmove_avx_unaligned_erms", libc, Cause::Copies),
            ("h2::proto::streams::prioritize::Prioritize::pop_frame", program, Cause::Http2),
            ("<h2::codec::Codec<causeway::relay::link::Link, B>>::poll", program, Cause::Http2),
            ("_rjem_je_arena_ralloc", program, Cause::Allocator),
            ("malloc", libc, Cause::Allocator),
            ("free", libc, Cause::Allocator),
            ("tokio::runtime::task::raw::poll", program, Cause::Runtime),
            ("core::ptr::drop_in_place<h2::frame::Data>", program, Cause::Http2),
            ("<causeway::relay::splice::Splice<tokio::Socket>>::run", program, Cause::Rest),
            ("causeway::protocol::http2::guard::Guard::charge", program, Cause::Rest),
            ("stream_process_counters", "/usr/sbin/haproxy", Cause::Rest),
            ("[unknown]", "[unknown]", Cause::Rest),
            ("__vdso_clock_gettime", "[vdso]", Cause::Rest),
        ] {
            assert_eq!(Cause::of(symbol, file), cause, "{symbol} in {file}");
        }
    }

    #[test]
    fn a_name_inside_another_word_is_no_name() {
        assert_eq!(Cause::of("obje_ct::new", "/program"), Cause::Rest);
        assert_eq!(Cause::of("xh2::new", "/program"), Cause::Rest);
    }
}
