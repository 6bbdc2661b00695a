//! What traffic, time and files can make grow.

use std::time::Duration;

// --- buffers ----------------------------------------------------------------------------------

/// Plaintext bytes of one full TLS record (RFC 8446 §5.1).
pub const RECORD_PLAIN_BYTES_MAX: usize = 16_384;
/// Largest record on the wire: header 5, plaintext, 256 of expansion (RFC 8446 §5.2) and the
/// 2048 that TLS 1.2 allows (RFC 5246 §6.2.3); a buffer this large always makes progress.
pub const RECORD_WIRE_BYTES_MAX: usize = 5 + RECORD_PLAIN_BYTES_MAX + 2048;
/// What sealing adds to one TLS record: header 5, content type 1, tag 16.
pub const RECORD_OVERHEAD_BYTES: usize = 22;
/// Small buffer: one wire record of any size, in whole pages.
pub const BUFFER_SMALL_BYTES: usize = 20 * 1024;
/// Medium buffer: 4 sealed records (4 × 16 406) in whole pages.
pub const BUFFER_MEDIUM_BYTES: usize = 68 * 1024;
/// Large buffer: 16 sealed records (16 × 16 406) in whole pages. Beyond 256 KiB a larger
/// buffer no longer lowered CPU per byte.
pub const BUFFER_LARGE_BYTES: usize = 264 * 1024;
/// A direction uses medium buffers after this many bytes (the threshold of ztunnel).
pub const GROW_TO_MEDIUM_BYTES: u64 = 128 * 1024;
/// A direction uses large buffers after this many bytes (the threshold of ztunnel).
pub const GROW_TO_LARGE_BYTES: u64 = 10 * 1024 * 1024;
/// A direction that moved nothing for this long starts small again and holds no buffer.
pub const IDLE_SHRINK_AFTER: Duration = Duration::from_secs(1);
/// Free buffers a worker keeps for reuse; more goes back to the allocator, so a burst is not
/// remembered for ever. 16 MiB is 60 large buffers, above what one core keeps busy.
pub const POOL_FREE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes of buffers in use per worker beyond which every direction is given small ones.
pub const POOL_BYTES_SOFT_MAX: usize = 256 * 1024 * 1024;
/// Bytes each worker asks the kernel to pin as registered buffers. Pinned pages are charged to
/// RLIMIT_MEMLOCK per uid (8 MiB is the usual limit); two workers of both roles fit beside each
/// other at 1.5 MiB.
pub const REGISTERED_BYTES_PER_WORKER: usize = 1536 * 1024;

// --- what the whole process may use -------------------------------------------------------------

/// Smallest budget of memory that can be configured: below, a worker could hold hardly a session.
pub const MEMORY_BYTES_MIN: u64 = 16 * 1024 * 1024;
/// What is held for one session besides its buffers: as measured for one that is idle in mode
/// `direct`, with its TLS state and tasks (docs/benchmarks.md); half as much in `multiplexed`.
pub const SESSION_BYTES: usize = 12 * 1024;
/// Buffers that each session may hold at any moment, whatever the budget says: a small one for each
/// direction.
pub const SESSION_BUFFER_BYTES: usize = 2 * BUFFER_SMALL_BYTES;
/// Descriptors beside those of sessions: standard streams, files, admin server, resolver.
pub const DESCRIPTORS_RESERVED: usize = 64;

// --- peers before they are known ----------------------------------------------------------------

/// TLS handshake, from accept to finished (lessons: pre-authentication cost).
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// Handshake bytes kept while a flight is incomplete; a 16 KiB certificate chain fits.
pub const HANDSHAKE_BYTES_MAX: usize = 64 * 1024;
/// CONNECT head: bytes up to and with the empty line.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;
/// CONNECT head: header fields.
pub const HEAD_FIELDS_MAX: usize = 64;
/// CONNECT head: from its first byte to the empty line.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an authenticated peer may hold a tunnel open before its first byte: room for a
/// connector's warm connections. A peer without a certificate gets [`HEAD_TIMEOUT`].
pub const FIRST_BYTE_TIMEOUT: Duration = Duration::from_secs(60);
/// Accepted connections of one worker that have not finished their TLS handshake.
pub const HANDSHAKES_PER_WORKER_MAX: usize = 1024;
/// TLS handshakes a second that one source address may begin on one worker without showing a client
/// certificate we accept, unless configured. One with a certificate costs 0.3 ms, with its
/// connection and its end: these are a sixth of a core at most.
pub const HANDSHAKES_PER_SECOND_MAX: u32 = 500;
/// An address may begin as many such handshakes at once as in this many seconds: all the tunnels
/// behind one NAT return together when a proxy restarts, and are not known before they finish.
pub const HANDSHAKE_BURST_SECONDS: u32 = 4;
/// TLS handshakes a second that one source address may begin on one worker while it is an
/// offender, unless configured: with what an attack may cost before it is ended, less than a
/// hundredth of a core, and what others notice of it stays in their noise.
pub const OFFENDER_HANDSHAKES_PER_SECOND: u32 = 3;
/// An address is an offender for so long after a tunnel from it ended by its peer's fault.
pub const OFFENCE_MEMORY: Duration = Duration::from_secs(10);
/// A connection of an offender whose turn comes later is closed; below [`HANDSHAKE_TIMEOUT`] and
/// the patience of those who dial ([`TUNNEL_DIAL_TIMEOUT`]).
pub const HELD_TIME_MAX: Duration = Duration::from_secs(3);
/// Connections of one worker that wait for their turn, of all offenders together: as many as may
/// shake hands. One address has a place for each turn in [`HELD_TIME_MAX`].
pub const HELD_PER_WORKER_MAX: usize = 1024;
/// Source addresses one worker knows apart, 100 bytes each; those beyond share one budget.
pub const SOURCES_PER_WORKER_MAX: usize = 16_384;

// --- sessions, streams, dials -------------------------------------------------------------------

/// Sessions of one worker: tunnels, and streams with their sockets. The limit of open files is
/// usually reached first; this one bounds the slab.
pub const SESSIONS_PER_WORKER_MAX: usize = 65_536;
/// Streams one subaccount may have open on one proxy, unless configured.
pub const STREAMS_PER_TENANT_MAX: usize = 20_000;
/// Slowest pace of a subaccount's bytes: a chunk of a small buffer then takes two seconds.
pub const PACE_BYTES_PER_SECOND_MIN: u64 = 8 * 1024;
/// What a subaccount may move at once before its pace holds it back, in time of that pace.
pub const PACE_BURST: Duration = Duration::from_millis(250);
/// A stream that is held back looks this often whether it was ended meanwhile.
pub const PACE_NAP_MAX: Duration = Duration::from_millis(100);
/// Service dials in flight per worker: a dead service must not collect unbounded sockets.
pub const DIALS_PER_WORKER_MAX: usize = 1024;
/// Of those, dials of one subaccount: one whose services do not answer leaves a quarter to others.
pub const DIALS_PER_TENANT_MAX: usize = DIALS_PER_WORKER_MAX / 4 * 3;
/// Dial of a service, all addresses together.
pub const DIAL_TIMEOUT: Duration = Duration::from_secs(10);
/// A single address gets at least this much of the dial time before the next is tried.
pub const DIAL_ADDRESS_TIMEOUT_MIN: Duration = Duration::from_secs(1);
/// Addresses of one name that are tried.
pub const DIAL_ADDRESSES_MAX: usize = 16;
/// A stream with one direction finished and nothing moving in the other.
pub const HALF_CLOSED_TIMEOUT: Duration = Duration::from_secs(300);
/// How long an aborted or refused tunnel is read to its end so that what we sent arrives.
pub const LINGER_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the reader of a stream may take nothing at all of what waits for it; then the kernel
/// declares it dead. About as long as Linux retransmits by itself (tcp_retries2).
pub const TCP_USER_TIMEOUT_STREAM: Duration = Duration::from_secs(15 * 60);
/// Unacknowledged data on a tunnel of many streams before the kernel declares the peer dead.
pub const TCP_USER_TIMEOUT: Duration = Duration::from_secs(30);
/// Silence before the first TCP keepalive probe.
pub const TCP_KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
/// Between TCP keepalive probes.
pub const TCP_KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// Streams still open when draining began are aborted after this long, unless configured.
pub const DRAIN_DEADLINE: Duration = Duration::from_secs(120);
/// How long a draining process still answers requests on connections it has: with why they are
/// refused.
pub const DRAIN_GRACE: Duration = Duration::from_secs(1);
/// Resolution of every deadline above: one sweep over the slab per tick.
pub const TICK: Duration = Duration::from_millis(250);

// --- workers ------------------------------------------------------------------------------------

/// Messages waiting in a worker's mailbox. Handing a connection over fails when it is full and
/// the connection stays where it was accepted.
pub const MAILBOX_MESSAGES_MAX: usize = 4096;
/// Listen backlog; the kernel caps it at net.core.somaxconn.
pub const LISTEN_BACKLOG: i32 = 4096;
/// A worker passes an accepted connection on only to one that has this many bytes less in flight.
pub const BALANCE_BYTES_SLACK: usize = 512 * 1024;
/// Or this many sessions less.
pub const BALANCE_SESSIONS_SLACK: usize = 16;
/// How long the admin side waits for one worker's answer before it reports a partial result.
pub const WORKER_ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// Self-test of an engine: one echo over a socket pair (catches hangs and policy denials).
pub const ENGINE_SELF_TEST_TIMEOUT: Duration = Duration::from_secs(1);
/// Most workers that can be configured; more than a machine has cores is a slip of the pen.
pub const WORKERS_MAX: usize = 1024;

// --- connector ----------------------------------------------------------------------------------

/// First and smallest upper bound of the reconnect back-off.
pub const BACKOFF_MIN: Duration = Duration::from_millis(500);
/// Largest upper bound of the reconnect back-off.
pub const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// Warm connections per channel in mode `direct`, unless configured.
pub const WARM_CONNECTIONS: usize = 4;
/// Most warm connections a channel may be configured with.
pub const WARM_CONNECTIONS_MAX: usize = 256;
/// Most connections a channel may be configured with; beyond, more bring nothing but memory.
pub const CONNECTIONS_PER_CHANNEL_MAX: usize = 256;
/// Warm connections are replaced after this long, before the proxy's [`FIRST_BYTE_TIMEOUT`].
pub const WARM_AGE_MAX: Duration = Duration::from_secs(45);
/// Dial of the proxy: TCP, an outbound proxy's CONNECT and TLS together.
pub const TUNNEL_DIAL_TIMEOUT: Duration = Duration::from_secs(10);
/// From CONNECT sent to the proxy's answer: the proxy's dial and some time on the way.
pub const CONNECT_ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

// --- files --------------------------------------------------------------------------------------

/// Largest configuration, mapping or PEM file.
pub const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Documents in all files of a mapping directory.
pub const MAPPINGS_MAX: usize = 100_000;
/// Values in one YAML document: room for a list of all mappings of a large cluster.
pub const YAML_NODES_MAX: usize = 1_000_000;
/// Values that aliases of one YAML document may repeat; a mapping needs none, a bomb millions.
pub const YAML_REPEATS_MAX: usize = 10_000;
/// Location ids of one mapping.
pub const LOCATIONS_PER_MAPPING_MAX: usize = 256;
/// Networks one mapping allows connectors to come from.
pub const SOURCES_PER_MAPPING_MAX: usize = 64;
/// Networks in the list of a channel: as for a mapping.
pub const SOURCES_PER_CHANNEL_MAX: usize = SOURCES_PER_MAPPING_MAX;
/// Bytes of a subaccount id, service id or location id.
pub const NAME_BYTES_MAX: usize = 255;
/// Longest time a key can set: ten years, far from any overflow of a deadline.
pub const CONFIGURED_TIME_MAX: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// Files settle this long before they are read: an editor or a secret mount writes several.
pub const WATCH_SETTLE: Duration = Duration::from_millis(100);
/// Watched files are looked at this often even where the kernel sends no notification.
pub const WATCH_RESCAN: Duration = Duration::from_secs(2);
/// Changes that keep coming are acted on after this long all the same.
pub const WATCH_SETTLE_MAX: Duration = Duration::from_millis(500);
/// Like [`WATCH_RESCAN`], where the kernel refuses to notify at all (its inotify limits).
pub const WATCH_RESCAN_UNNOTIFIED: Duration = Duration::from_millis(500);
/// A certificate's expiry is logged when it is nearer than this.
pub const EXPIRY_WARNING: Duration = Duration::from_secs(30 * 24 * 3600);

// --- histograms ---------------------------------------------------------------------------------

/// Largest value a latency histogram holds.
pub const LATENCY_MAX: Duration = Duration::from_secs(3600);
/// Significant decimal digits of a latency histogram.
pub const LATENCY_DIGITS: u8 = 3;
/// Services whose figures one worker keeps apart; those beyond share one place. A service has
/// seven latencies, each some six powers of two wide at 4 KiB: 168 KiB, 11 MiB for all, and once
/// more for the sum of all workers. Were every power of two up to 1 h there, it would be 924 KiB.
pub const SERVICES_TOLD_APART_MAX: usize = 64;
/// Subaccounts told apart for what is of no single service; without latencies, some 500 bytes.
pub const SUBACCOUNTS_TOLD_APART_MAX: usize = 256;
/// The figures of a service or subaccount that nobody used for this long are no longer kept apart:
/// any scraper has come by until then.
pub const GROUP_IDLE: Duration = Duration::from_secs(3600);

// --- engine -------------------------------------------------------------------------------------

/// Submission queue entries of a worker's ring: what its tasks queue before they all wait.
/// A full queue is flushed early, so this bounds memory (64 bytes an entry), not work.
pub const RING_ENTRIES: u32 = 1024;
/// Completion queue entries of a worker's ring (16 bytes an entry). More completions than this
/// between two looks at the ring go through the kernel's slower overflow list, none is lost.
pub const RING_COMPLETIONS: u32 = 8192;
/// Buffers one ring registers at most (UIO_MAXIOV, and what tokio-uring takes).
pub const REGISTERED_BUFFERS_MAX: usize = 1024;

// --- TLS ----------------------------------------------------------------------------------------

/// Session tickets per TLS 1.3 handshake: one for the next connection and a spare for two at once.
pub const TLS_TICKETS: usize = 2;
/// Sessions a connector remembers for resumption; tickets of a few proxies, eight each.
pub const TLS_SESSIONS_REMEMBERED: usize = 64;
/// CA names sent to clients as a hint which certificate to use. More than this, from a bundle of
/// hundreds of CAs, costs every handshake kilobytes and helps nobody.
pub const CA_HINT_BYTES_MAX: usize = 4096;

// --- admin and log ------------------------------------------------------------------------------

/// Connections of the admin server; more wait in the kernel's backlog. A scraper and some people.
pub const ADMIN_CONNECTIONS_MAX: usize = 64;
/// How far the admin server's threads stand back behind the workers (nice(2)): ten steps are a
/// tenth of a worker's weight, so that a scrape takes nothing that a stream could use, and a probe
/// is still answered on a node whose cores are all busy.
pub const ADMIN_NICE: u8 = 10;
/// Request head of the admin server: a GET of a browser fits. hyper asks for at least 8 KiB.
pub const ADMIN_HEAD_BYTES_MAX: usize = 16 * 1024;
/// How long a connection of the admin server may be silent before or inside a request head.
pub const ADMIN_HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How old a connection of the admin server gets: nobody holds one of the few by reading slowly.
pub const ADMIN_CONNECTION_AGE_MAX: Duration = Duration::from_secs(300);
/// A tunnel to ourselves, from connecting to the answer: a busy worker answers in milliseconds,
/// and kubelets wait 5 s as the chart asks them to.
pub const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
/// Within this, whoever asks whether tunnels open gets the last answer: a handshake costs 0.3 ms
/// of a worker, and `/readyz` asks for one.
pub const PROBE_FRESH: Duration = Duration::from_secs(1);
/// Kinds of log lines told apart when repeated ones are left out.
pub const LOG_REPEAT_KEYS_MAX: usize = 1024;

// --- admin API ----------------------------------------------------------------------------------

/// Entries of one answer that lists tunnels, streams or mappings; the rest is on further pages.
pub const LIST_ENTRIES_MAX: usize = 1000;
/// As many, unless asked for.
pub const LIST_ENTRIES: usize = 100;
/// Places of the slab looked at for a list in one turn: microseconds, a millisecond at the worst.
pub const LIST_PLACES_PER_TURN: usize = 256;
/// Body of a request to the admin server: a line of JSON.
pub const ADMIN_BODY_BYTES_MAX: usize = 16 * 1024;
/// Explanations that dial at the same time: each holds one of the few threads that ask workers.
pub const EXPLAIN_DIALS_MAX: usize = 2;
/// An explanation that dials answers after this long, whatever `dial_timeout_seconds` allows.
pub const EXPLAIN_DIAL_TIMEOUT: Duration = Duration::from_secs(20);
/// TLS handshake of a connection to the admin server.
pub const ADMIN_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest time a log level can be asked for: a day is a forgotten one.
pub const LOG_LEVEL_TIME_MAX: Duration = Duration::from_secs(24 * 3600);
/// Fewest characters of an admin token: 128 bits, even if only hexadecimal digits are used.
pub const ADMIN_TOKEN_BYTES_MIN: usize = 32;

// --- HTTP/2 -------------------------------------------------------------------------------------

/// A burst and the rate it is refilled at.
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    /// How many at once.
    pub burst: u32,
    /// How many more per second.
    pub per_second: u32,
}

/// Streams of one tunnel at a time, unless configured. Streams are long-lived: a connector opens
/// another tunnel rather than wait for a place.
pub const STREAMS_PER_TUNNEL: u32 = 1000;
/// Most streams of one tunnel that can be configured: a worker has no more sessions.
pub const STREAMS_PER_TUNNEL_MAX: u32 = 65_536;
/// Streams a connector opens on a tunnel whose proxy has not told its bound yet: what any server is
/// recommended to allow at least (RFC 9113 §6.5.2). More would be refused and counted against us.
pub const STREAMS_BEFORE_SETTINGS: usize = 100;
/// Decoded header list of one request; a CONNECT has a few hundred bytes.
pub const HEADER_LIST_BYTES_MAX: u32 = 16 * 1024;
/// HPACK dynamic table, each way (RFC 7541 §4.2: the default).
pub const HEADER_TABLE_BYTES: u32 = 4096;
/// Largest frame accepted. A larger one delays the answer to a PING behind it.
pub const FRAME_BYTES_MAX: u32 = 64 * 1024;
/// Payload of a frame whose head and payload fill one TLS record.
pub const FRAME_PAYLOAD_BYTES: usize = RECORD_PLAIN_BYTES_MAX - 9;
/// Window of a stream at its start: what it may have on loan while its service is slow.
pub const STREAM_WINDOW_BYTES_MIN: u32 = 1024 * 1024;
/// Window a stream grows to: 1 Gb/s over 100 ms needs 12.5 MB on the way, and up to a third of a
/// window is received and not yet given back, because credit returns in such portions.
pub const STREAM_WINDOW_BYTES_MAX: u32 = 20 * 1024 * 1024;
/// Window of a tunnel: well above the largest stream window, so that one stalled stream leaves
/// the others as much as an ordinary link needs.
pub const TUNNEL_WINDOW_BYTES_MAX: u32 = 32 * 1024 * 1024;
/// Window of a tunnel when the budgets are spent: every peer may send 65 535 bytes before it has
/// heard of a window (RFC 9113 §6.9.2), so there is no smaller one.
pub const TUNNEL_WINDOW_BYTES_MIN: u32 = 64 * 1024;
/// Tunnel windows of one worker together: the most its peers can make it hold.
pub const WORKER_LOAN_BYTES_MAX: usize = 1024 * 1024 * 1024;
/// Tunnel windows of one subaccount on one proxy together.
pub const TENANT_LOAN_BYTES_MAX: usize = 256 * 1024 * 1024;
/// What the HTTP/2 layer may hold of one stream's data to send: its two buffers in flight.
pub const STREAM_SEND_BYTES_MAX: usize = 2 * BUFFER_LARGE_BYTES;
/// Frames gathered for one send: sixteen full TLS records.
pub const STAGED_BYTES_MAX: usize = 16 * RECORD_PLAIN_BYTES_MAX;
/// What unread DATA frames of fewer than 256 bytes may lack of that, all of a tunnel together,
/// before the HTTP/2 crate ends it: enough for the whole windows of a dozen stalled streams of
/// 100-byte messages. Its default kills a tunnel for a few.
pub const SMALL_FRAMES_BUDGET_BYTES: usize = 32 * 1024 * 1024;
/// Streams we reset whose late frames are still recognised.
pub const RESET_STREAMS_REMEMBERED_MAX: usize = 1024;
/// Streams reset by the peer before we looked at them (CVE-2023-44487).
pub const EARLY_RESETS_MAX: usize = 20;
/// Resets the peer provoked from us in the life of a tunnel (CVE-2025-8671), as the HTTP/2 crate
/// counts them; [`PROVOKED_RESET_RATE`] is used up long before, unless they take hours.
pub const PROVOKED_RESETS_MAX: usize = 1024;
/// Resets of one tunnel that say its peer did something wrong. No honest one needs any; some may
/// be on their way to streams we have forgotten.
pub const PROVOKED_RESET_RATE: Rate = Rate { burst: 100, per_second: 10 };
/// RST_STREAM frames of one tunnel.
pub const RESET_RATE: Rate = Rate { burst: 2000, per_second: 200 };
/// PING frames of one tunnel; both liveness and window measurement stay far below.
pub const PING_RATE: Rate = Rate { burst: 64, per_second: 20 };
/// SETTINGS frames of one tunnel, acknowledgements included.
pub const SETTINGS_RATE: Rate = Rate { burst: 64, per_second: 10 };
/// Entries of one SETTINGS frame: every setting that is defined fits twice, a frame thousands.
pub const SETTINGS_ENTRIES_MAX: usize = 16;
/// DATA frames of one tunnel that carry nothing.
pub const EMPTY_DATA_RATE: Rate = Rate { burst: 16, per_second: 2 };
/// WINDOW_UPDATE frames of one tunnel that need no reason: windows are set up with a few.
pub const WINDOW_UPDATES_AT_FIRST: u32 = 100;
/// WINDOW_UPDATE frames more for each header block that came: windows of streams are set up, too.
pub const WINDOW_UPDATES_PER_STREAM: u32 = 4;
/// Each DATA frame we send may be answered with a WINDOW_UPDATE for its stream and one for the
/// tunnel, and with one more for so many bytes of it, begun: whoever reads 16 KiB piece by piece
/// may open its two windows every 4 KiB (Go), and this is twice that. Envoy allows 20 whatever the
/// size.
pub const BYTES_PER_WINDOW_UPDATE: u32 = 1024;
/// WINDOW_UPDATE frames that can be due at once: those for a window of [`TUNNEL_WINDOW_BYTES_MAX`]
/// in steps of 4 KiB, by stream and by tunnel, and some. They are 2.5 ms of a worker, in turns.
pub const WINDOW_UPDATES_MAX: u32 = 20_000;
/// PRIORITY frames and frames of unknown type of one tunnel.
pub const IGNORED_FRAME_RATE: Rate = Rate { burst: 200, per_second: 100 };
/// CONTINUATION frames of one header block; a header list of 16 KiB needs one.
pub const CONTINUATIONS_MAX: u32 = 4;
/// Streams of one tunnel reset by its peer before they were answered.
pub const PREMATURE_RESET_RATE: Rate = Rate { burst: 200, per_second: 20 };
/// Frames of one tunnel that are handled before its worker's other tasks have their turn. A frame
/// costs a microsecond or less and two hundred thousand fit into what one poll may receive.
pub const FRAMES_PER_TURN: u32 = 256;
/// Streams one tunnel opens before its worker's other tasks have their turn: each is a dial, and
/// some tens of microseconds.
pub const ARRIVALS_PER_TURN: u32 = 16;
/// A PING is sent when a tunnel was silent for this long.
pub const PING_AFTER: Duration = Duration::from_secs(10);
/// A tunnel whose PING is not answered for this long is dead.
pub const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// Multiplexed tunnels of one worker; their smallest windows are a quarter of what it lends.
pub const TUNNELS_PER_WORKER_MAX: usize = 4096;
/// Tunnels of one subaccount on one proxy; their smallest windows are a quarter of its loans.
pub const TUNNELS_PER_TENANT_MAX: usize = 1024;
/// A tunnel is replaced after this long: keys, certificates and balance are renewed.
pub const TUNNEL_AGE_MAX: Duration = Duration::from_secs(12 * 3600);
