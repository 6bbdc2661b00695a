//! What is touched for every chunk: pipes, sessions, histograms, buffers.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use causeway::{
    engine::{BufferPool, Kind, Runtime, SizeClass},
    limits,
    telemetry::{Latency, Metric},
    tunnel::{Pipe, Table},
};
use criterion::{BenchmarkId, Criterion};

pub(crate) fn pipe(criterion: &mut Criterion) {
    let now = Instant::now();
    let mut pipe = Pipe::new(now);
    criterion.bench_function("pipe: stride and moved", |bencher| {
        bencher.iter(|| {
            pipe.moved(black_box(1024), now);
            pipe.stride()
        });
    });
}

pub(crate) fn session_table(criterion: &mut Criterion) {
    let mut table = Table::new(limits::SESSIONS_PER_WORKER_MAX);
    let keys: Vec<_> = (0..10_000_u32).map(|number| table.insert(number).unwrap()).collect();
    criterion.bench_function("session table: get, remove, insert", |bencher| {
        bencher.iter(|| {
            assert_eq!(table.get(black_box(keys[7])), Some(&7));
            let key = table.insert(0).unwrap();
            table.remove(key)
        });
    });
}

pub(crate) fn histogram(criterion: &mut Criterion) {
    let mut latency = Latency::new();
    let mut at = 0_u64;
    criterion.bench_function("histogram: record", |bencher| {
        bencher.iter(|| {
            at = at.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            latency.record(Metric::ForwardUp, Duration::from_nanos(at >> 40));
        });
    });
}

pub(crate) fn buffer_pool(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("buffer pool: take and give back");
    let mut runtime = Runtime::new(Kind::Epoll).unwrap();
    let driver = runtime.driver();
    runtime.block_on(async {
        let pool = BufferPool::new(&driver, limits::POOL_BYTES_SOFT_MAX, 0);
        for class in [SizeClass::Small, SizeClass::Medium, SizeClass::Large] {
            group.bench_function(BenchmarkId::from_parameter(class.bytes()), |bencher| {
                bencher.iter(|| pool.take(class).capacity());
            });
        }
    });
    group.finish();
}
