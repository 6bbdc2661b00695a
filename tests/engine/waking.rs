//! Waking a worker from other threads.

use causeway::engine::wake_pair;

use crate::{
    on_both_engines,
    world::{World, elsewhere},
};

on_both_engines!(
    a_wake_from_another_thread_ends_the_wait,
    a_wake_before_the_wait_is_not_lost,
    wakes_before_a_look_count_as_one,
    a_dropped_wait_keeps_its_wake,
);

async fn a_wake_from_another_thread_ends_the_wait(_: World) {
    let (waker, mut wake) = wake_pair().unwrap();
    for _ in 0..100 {
        let waker = waker.clone();
        let waking = tokio::task::spawn_blocking(move || waker.wake());
        wake.wait().await.unwrap();
        waking.await.unwrap();
    }
}

async fn a_wake_before_the_wait_is_not_lost(_: World) {
    let (waker, mut wake) = wake_pair().unwrap();
    elsewhere(move || waker.wake()).await;
    wake.wait().await.unwrap();
}

async fn wakes_before_a_look_count_as_one(world: World) {
    let (waker, mut wake) = wake_pair().unwrap();
    (0..5).for_each(|_| waker.wake());
    wake.wait().await.unwrap();
    tokio::select! {
        biased;
        _ = wake.wait() => panic!("woken twice"),
        () = world.round() => {}
    }
}

async fn a_dropped_wait_keeps_its_wake(world: World) {
    let (waker, mut wake) = wake_pair().unwrap();
    tokio::select! {
        biased;
        _ = wake.wait() => panic!("nobody woke it"),
        () = world.round() => {}
    }
    waker.wake();
    wake.wait().await.unwrap();
}
