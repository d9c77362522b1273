//! Walking a tree and writing one, timed: `cargo bench --package stillpoint-localfs`.
#![expect(clippy::unwrap_used, reason = "a failed assumption ends the bench")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use stillpoint_localfs::{Attributes, Directory, ExtractOptions, Extractor, FileKind, Landing, Source};

const DIRECTORIES: usize = 40;
const FILES: usize = 50;
const LENGTH: usize = 4 << 10;

fn make(root: &Path) {
    for directory in 0..DIRECTORIES {
        let dir = root.join(format!("package_{directory}"));
        std::fs::create_dir_all(&dir).unwrap();
        for file in 0..FILES {
            std::fs::write(dir.join(format!("module_{file}.py")), vec![b'x'; LENGTH]).unwrap();
        }
    }
}

fn walk(source: &Source, directory: &Directory, entries: &mut usize) {
    for entry in directory.list().unwrap().entries {
        *entries += 1;
        if entry.metadata.kind == FileKind::Directory {
            let relative = directory.relative().join(&entry.name);
            walk(source, &source.directory(&relative).unwrap(), entries);
        }
    }
}

fn trees(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path());
    let mut group = criterion.benchmark_group("trees");
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3)).sample_size(10);
    group.throughput(Throughput::Elements((DIRECTORIES * (FILES + 1)) as u64));
    group.bench_function("walk and stat", |bencher| {
        let source = Source::open(dir.path()).unwrap();
        bencher.iter(|| {
            let mut entries = 0;
            walk(&source, &source.directory(Path::new("")).unwrap(), &mut entries);
            assert_eq!(entries, DIRECTORIES * (FILES + 1));
        });
    });
    group.bench_function("write files", |bencher| {
        let content = vec![b'x'; LENGTH];
        let fresh = || tempfile::tempdir().unwrap();
        bencher.iter_batched_ref(fresh, |target| write(target.path(), &content), BatchSize::PerIteration);
    });
    group.finish();
}

fn write(target: &Path, content: &[u8]) {
    let options = ExtractOptions::landing(Landing::EmptyTarget);
    let extraction = Extractor::open(&target.join("tree"), "bench", options).unwrap();
    let attributes =
        Attributes::new(0o644, rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    for directory in 0..DIRECTORIES {
        let dir = PathBuf::from(format!("package_{directory}"));
        extraction.create_directory(&dir).unwrap();
        for file in 0..FILES {
            let name = dir.join(format!("module_{file}.py"));
            let mut file = extraction.create_file(&name, content.len() as u64).unwrap();
            file.write_at(0, content).unwrap();
            file.finish(&attributes).unwrap();
        }
    }
    extraction.finish(None).unwrap();
}

criterion_group!(benches, trees);
criterion_main!(benches);
