//! Stages of backup and restore, timed: `cargo bench --package stillpoint-repository --features bench`.
#![expect(clippy::unwrap_used, reason = "a failed assumption ends the bench")]

mod stage;

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn stages(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("stages");
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3)).sample_size(20);
    for mut stage in stage::all(4 << 20) {
        group.throughput(Throughput::Bytes(stage.bytes));
        group.bench_function(stage.name, |bencher| bencher.iter(&mut stage.work));
    }
    group.finish();
}

criterion_group!(benches, stages);
criterion_main!(benches);
