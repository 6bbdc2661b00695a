//! A deadline for one operation on a socket. An operation on the ring is never dropped half-way;
//! it is ended by aborting its socket, and then awaited.

use std::{future::poll_fn, pin::pin, task::Poll, time::Duration};

use crate::engine::Socket;

/// Awaits `operation`, and aborts `socket`, which ends it, when `timeout` passes first; says if
/// it did.
///
/// The timer is polled with the operation and not by a task of its own: a dial that takes
/// microseconds should not pay for a second task.
pub async fn with_deadline<T>(
    socket: &Socket,
    timeout: Duration,
    operation: impl Future<Output = T>,
) -> (T, bool) {
    let mut operation = pin!(operation);
    let mut alarm = pin!(tokio::time::sleep(timeout));
    let mut passed = false;
    let outcome = poll_fn(|cx| {
        if let Poll::Ready(outcome) = operation.as_mut().poll(cx) {
            return Poll::Ready(outcome);
        }
        if !passed && alarm.as_mut().poll(cx).is_ready() {
            passed = true;
            socket.abort();
        }
        Poll::Pending
    })
    .await;
    (outcome, passed)
}
