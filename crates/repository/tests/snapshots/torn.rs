//! Files that are written to while they are read: read again, or listed, and never a silent mixture.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use stillpoint_repository::{
    BackupOptions, BackupSource, BackupSummary, Cancellation, IssueKind, NoProgress, Parent, Progress,
};

use crate::support::House;

/// Each block of a stamped file says its generation and its number.
const BLOCK: usize = 4096;

fn block(generation: u64, number: usize) -> Vec<u8> {
    let mut block = vec![u8::try_from(generation % 251).unwrap(); BLOCK];
    block[..8].copy_from_slice(&generation.to_le_bytes());
    block[8..16].copy_from_slice(&(number as u64).to_le_bytes());
    block
}

/// Whether the content is a state that a file had which is rewritten from its start, one generation after the other: the
/// newer one up to some byte and the one before it from there on. Anything else was put together by the reader.
fn is_a_state(content: &[u8]) -> bool {
    let Some(newest) = content.first_chunk::<8>().map(|stamp| u64::from_le_bytes(*stamp)) else {
        return true;
    };
    let mut newer = true;
    content.chunks(BLOCK).enumerate().all(|(number, found)| {
        let (new, old) = (block(newest, number), block(newest.saturating_sub(1), number));
        if newer && found == &new[..found.len()] {
            return true;
        }
        // The write may have come to the middle of this block.
        let written =
            if newer { found.iter().zip(&new).take_while(|(found, new)| found == new).count() } else { 0 };
        newer = false;
        found[written..] == old[written..found.len()]
    })
}

#[test]
fn a_mixture_is_told_from_a_state() {
    let file = |generations: [u64; 4]| {
        generations
            .iter()
            .enumerate()
            .flat_map(|(number, generation)| block(*generation, number))
            .collect::<Vec<_>>()
    };
    assert!(is_a_state(&file([7, 7, 7, 7])) && is_a_state(&file([8, 8, 7, 7])) && is_a_state(b""));
    let mut in_the_middle = file([8, 7, 7, 7]);
    in_the_middle[BLOCK..BLOCK + 100].copy_from_slice(&block(8, 1)[..100]);
    assert!(is_a_state(&in_the_middle));
    for mixture in [[7, 7, 8, 8], [8, 7, 8, 7], [9, 9, 7, 7], [8, 8, 7, 8]] {
        assert!(!is_a_state(&file(mixture)), "{mixture:?}");
    }
}

/// Runs backups until a number of them were made while `write` changes the file over and over.
async fn backups_beside(
    house: &House,
    backups: usize,
    write: impl Fn(u64) + Send + Sync + 'static,
) -> Vec<BackupSummary> {
    let (stop, write) = (Arc::new(AtomicBool::new(false)), Arc::new(write));
    let written = Arc::new(AtomicU64::new(0));
    let writer = std::thread::spawn({
        let (stop, written) = (Arc::clone(&stop), Arc::clone(&written));
        move || {
            while !stop.load(Ordering::Relaxed) {
                let generation = written.fetch_add(1, Ordering::Relaxed) + 1;
                write(generation);
                // Now and then it rests, so that some backups find it still.
                if generation % 8 == 0 {
                    std::thread::sleep(std::time::Duration::from_millis(generation % 5 * 5));
                }
            }
        }
    });
    let mut made = Vec::new();
    for _ in 0..backups {
        let source = BackupSource::new(house.source());
        let mut options = BackupOptions::default();
        options.parent = if made.len() % 2 == 0 { Parent::None } else { Parent::Newest };
        let cancellation = Cancellation::new();
        let backup = house.repository.backup(&source, options, Arc::new(NoProgress), &cancellation);
        made.push(backup.await.unwrap());
    }
    stop.store(true, Ordering::Relaxed);
    writer.join().unwrap();
    assert!(written.load(Ordering::Relaxed) > made.len() as u64, "the writer hardly ran");
    made
}

/// Counts what became of the file in each backup: whole, and listed as torn. Fails on an unlisted mixture.
async fn judge(house: &House, made: &[BackupSummary], whole: impl Fn(&[u8]) -> bool) -> (usize, usize) {
    let (mut still, mut torn) = (0, 0);
    for (number, backup) in made.iter().enumerate() {
        let listed = backup.issues.items().iter().any(|issue| issue.kind == IssueKind::Torn);
        assert_eq!(usize::from(listed) as u64, backup.files_torn);
        let target = format!("target-{number}");
        house.restore(&backup.snapshot, &target).await;
        let content = fs::read(house.path(&target).join("busy")).unwrap();
        assert!(listed || whole(&content), "backup {number} holds a mixture and does not say so");
        if listed { torn += 1 } else { still += 1 }
    }
    (still, torn)
}

fn rewrite(path: &Path, blocks: usize, generation: u64) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    for number in 0..blocks {
        file.write_all_at(&block(generation, number), (number * BLOCK) as u64).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_rewritten_in_place_meanwhile_is_a_state_it_was_in_or_listed_as_torn() {
    let house = House::new().await;
    let path = house.source().join("busy");
    File::create(&path).unwrap();
    rewrite(&path, 2048, 0);
    let made = backups_beside(&house, 8, move |generation| rewrite(&path, 2048, generation)).await;
    let (still, torn) = judge(&house, &made, is_a_state).await;
    println!("rewritten in place: {still} whole, {torn} listed as torn");
    assert!(torn > 0, "the writer never got in between, so nothing was tried");
}

#[tokio::test(flavor = "multi_thread")]
async fn small_files_rewritten_meanwhile_are_in_a_state_they_were_in_or_listed_as_torn() {
    let house = House::new().await;
    let path = house.source().join("busy");
    File::create(&path).unwrap();
    rewrite(&path, 2, 0);
    let made = backups_beside(&house, 16, move |generation| rewrite(&path, 2, generation)).await;
    let (still, torn) = judge(&house, &made, is_a_state).await;
    println!("small and rewritten in place: {still} whole, {torn} listed as torn");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_appended_to_meanwhile_ends_at_the_end_of_a_record_or_is_listed_as_torn() {
    let house = House::new().await;
    let path = house.source().join("busy");
    fs::write(&path, b"").unwrap();
    let made = backups_beside(&house, 10, move |generation| {
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        let record = format!("{generation:>1000}\n");
        record.as_bytes().chunks(100).for_each(|piece| file.write_all(piece).unwrap());
        drop(file);
        std::thread::sleep(std::time::Duration::from_micros(300));
    })
    .await;
    // Every state on disk is a prefix of the whole log, so each prefix is a state the file was in.
    let whole = |content: &[u8]| {
        let mut records = content.split_inclusive(|byte| *byte == b'\n').enumerate();
        records.all(|(number, record)| {
            let wanted = format!("{:>1000}\n", number + 1);
            wanted.as_bytes().starts_with(record)
                && (record.len() == wanted.len() || content.ends_with(record))
        })
    };
    let (still, torn) = judge(&house, &made, whole).await;
    println!("appended to: {still} whole, {torn} listed as torn");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_cut_and_written_anew_meanwhile_is_a_state_it_was_in_or_listed_as_torn() {
    let house = House::new().await;
    let path = house.source().join("busy");
    fs::write(&path, block(0, 0)).unwrap();
    let made = backups_beside(&house, 12, move |generation| {
        let file = File::create(&path).unwrap();
        for number in 0..64 {
            file.write_all_at(&block(generation, number), (number * BLOCK) as u64).unwrap();
        }
    })
    .await;
    // It is always a part of one generation, from nothing to all of it.
    let whole = |content: &[u8]| {
        let stamp = content.first_chunk::<8>().map_or(0, |stamp| u64::from_le_bytes(*stamp));
        content.chunks(BLOCK).enumerate().all(|(number, found)| block(stamp, number).starts_with(found))
    };
    let (still, torn) = judge(&house, &made, whole).await;
    println!("cut and written anew: {still} whole, {torn} listed as torn");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_right_after_a_backup_is_seen_by_the_next_one() {
    let house = House::new().await;
    let path = house.source().join("busy");
    for round in 0..10_u64 {
        fs::write(&path, block(2 * round, 0)).unwrap();
        house.backup().await;
        // Same length, and as soon as can be after the first was read.
        fs::write(&path, block(2 * round + 1, 0)).unwrap();
        let second = house.backup().await;
        assert_eq!(second.files_changed, 1, "round {round}");
    }
}

/// Makes a file longer by more than a piece of it as soon as one was read.
#[derive(Debug)]
struct Faster(File);

impl Progress for Faster {
    fn advanced(&self, bytes: u64) {
        self.0.set_len(self.0.metadata().unwrap().len() + 2 * bytes).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_ends_beside_a_file_that_grows_faster_than_it_is_read() {
    let house = House::new().await;
    let path = house.source().join("log");
    // More than is read before the first piece is told.
    fs::write(&path, vec![1; 8 << 20]).unwrap();
    let grows = Arc::new(Faster(OpenOptions::new().write(true).open(&path).unwrap()));
    let (source, cancellation) = (BackupSource::new(house.source()), Cancellation::new());
    let backup =
        house.repository.backup(&source, BackupOptions::default(), grows, &cancellation).await.unwrap();
    assert!(backup.bytes_read >= (8 + 64) << 20 && backup.files_torn <= 1, "{backup:?}");
    let content = house.restore(&backup.snapshot, "target").await;
    assert!(content.issues.is_empty());
}
