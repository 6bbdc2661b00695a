//! What the proxy asks of a cluster's API, how often, and how long it waits.

use std::time::Duration;

use super::Rate;

/// Mappings asked for at once: what client-go's pager takes.
pub const KUBERNETES_PAGE: u32 = 500;
/// A request to the API, its answer whole. A page of mappings is some hundred kilobytes.
pub const KUBERNETES_REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Connecting to the API: it is in the same cluster or nowhere.
pub const KUBERNETES_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A watch is asked anew after this long, which costs the API one request. A connection that died
/// without a word is noticed no later than [`KUBERNETES_WATCH_GRACE`] after.
pub const KUBERNETES_WATCH: Duration = Duration::from_secs(60);
/// How long a watch may outlive the time it was asked for.
pub const KUBERNETES_WATCH_GRACE: Duration = Duration::from_secs(10);
/// First and smallest bound of the pause after a failed request to the API.
pub const KUBERNETES_BACKOFF_MIN: Duration = Duration::from_millis(250);
/// Largest bound of that pause: mappings are current again this soon after the API is back.
pub const KUBERNETES_BACKOFF_MAX: Duration = Duration::from_secs(5);
/// Longest pause that an answer of the API (429) can ask for.
pub const KUBERNETES_RETRY_AFTER_MAX: Duration = Duration::from_secs(30);
/// Two snapshots for the workers are at least this far apart: a change is in force at once, a
/// thousand of them cost twenty tables a second.
pub const KUBERNETES_PUBLISH_GAP: Duration = Duration::from_millis(50);
/// How long a proxy waits for the mappings before it listens without them, and not ready.
pub const KUBERNETES_FIRST_LIST: Duration = Duration::from_secs(10);
/// How long a Lease holds without being renewed (the default of Kubernetes' own controllers).
pub const LEASE_DURATION: Duration = Duration::from_secs(15);
/// Who holds the Lease and could not renew it for this long no longer acts on it.
pub const LEASE_RENEW_DEADLINE: Duration = Duration::from_secs(10);
/// Between two looks at the Lease, and two renewals.
pub const LEASE_RETRY: Duration = Duration::from_secs(2);
/// Statuses written: 5000 mappings have theirs in under a minute, and the API its quiet.
pub const STATUS_WRITE_RATE: Rate = Rate { burst: 200, per_second: 100 };
/// A status that the API did not keep as written, or that another changes back, is written again
/// no sooner.
pub const STATUS_REWRITE_AFTER: Duration = Duration::from_secs(10);
/// Events written; what is beyond is left out and counted.
pub const EVENT_RATE: Rate = Rate { burst: 100, per_second: 5 };
/// Events waiting to be written.
pub const EVENTS_WAITING_MAX: usize = 1000;
/// Between two dials of one mapping's internal address by the leader.
pub const REACH_INTERVAL: Duration = Duration::from_secs(30);
/// Such a dial, the name's resolution included.
pub const REACH_TIMEOUT: Duration = Duration::from_secs(3);
/// Such dials at the same time: 5000 dead services are through in four minutes.
pub const REACH_DIALS_MAX: usize = 64;
/// Connections of the admission webhook; more wait in the kernel's backlog.
pub const WEBHOOK_CONNECTIONS_MAX: usize = 64;
/// Body of an admission review: two objects, each at most what etcd takes (1.5 MiB).
pub const WEBHOOK_BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// One question to the webhook, handshake included; the API server gives up after 10 s.
pub const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(10);
