//! Few operations under way, many streams that take turns with them.

use std::{cell::RefCell, collections::VecDeque, rc::Rc};

use super::{
    load::{Pace, Stage, opened},
    stream::{Reader, Writer},
};
use crate::{
    failure::{Failure, While as _},
    record::Meter,
    scenario::Load,
};

/// The open streams of a load that have nothing under way; the one in front waited longest.
#[derive(Clone, Default)]
pub(super) struct Waiting(Rc<RefCell<VecDeque<(Reader, Writer)>>>);

/// Opens stream number `stream`, tries it once and puts it to the others. The first `active` of
/// these calls then work until one of their streams fails; the rest return.
pub(super) async fn take_turns(
    stage: &Stage,
    load: &Load,
    active: usize,
    stream: usize,
    waiting: Waiting,
    meter: &Meter,
) -> Result<(), Failure> {
    let (reader, writer, message) = opened(stage, load).await?;
    waiting.0.borrow_mut().push_back((reader, writer));
    let start = stage.wait_for_start().await;
    if stream >= active {
        return Ok(());
    }
    let mut pace = Pace::new(load.per_second(), active, stream, start)?;
    loop {
        let from = pace.next().await?;
        // There are at least as many streams as operations, so one waits.
        let next = waiting.0.borrow_mut().pop_front();
        let (mut reader, mut writer) = next.ok_or_else(|| Failure("no stream waits".to_owned()))?;
        writer.send(&message).await.during("ping")?;
        reader.expect(&message).await.during("ping")?;
        meter.sent(message.len());
        meter.received(message.len());
        meter.done(from.elapsed());
        waiting.0.borrow_mut().push_back((reader, writer));
    }
}
