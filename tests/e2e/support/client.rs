//! Plain clients of a service channel.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    time::Duration,
};

use causeway::connector::RunningConnector;

use super::{DEADLINE, wait_until};

/// Sends `text` and its end through a channel and reads to the end.
pub fn exchange(channel: SocketAddr, text: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(channel)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.write_all(text.as_bytes())?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// A client that gets no stream sees a reset, never an end.
pub fn assert_reset(channel: SocketAddr) {
    let mut stream = TcpStream::connect(channel).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let error = stream.read(&mut [0; 16]).expect_err("no stream, so no end of one");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{error}");
}

/// What is wrong with a channel; waits until something is.
pub fn problem_of(connector: &RunningConnector, channel: usize) -> String {
    let problem = || connector.channels()[channel].status.problem();
    wait_until("the channel has a problem", DEADLINE, || problem().is_some());
    problem().unwrap_or_default()
}

/// Waits until a channel has all the warm connections it wants; says how long that took.
pub fn all_warm(connector: &RunningConnector, channel: usize, within: Duration) -> Duration {
    wait_until("every warm connection is ready", within, || {
        let (ready, wanted) = connector.channels()[channel].status.connected();
        ready == wanted
    })
}
