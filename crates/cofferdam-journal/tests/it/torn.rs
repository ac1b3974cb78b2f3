//! Cut, zeroed, garbled and flipped files: the valid prefix is kept, the loss is reported exactly, damage is never served.

use crate::{
    fake::Disk,
    support::{DIR, Hands, all, append, count, entry, key, open},
};
use cofferdam_journal::{Entry, Journal, JournalError};
use std::path::{Path, PathBuf};

/// The end of the last group, as the files say it: (bytes of the file up to it, entries up to it).
struct Written {
    path: PathBuf,
    bytes: Vec<u8>,
    /// After each group: the file's size and how many entries there are.
    groups: Vec<(usize, usize)>,
    entries: Vec<Entry>,
}

/// A journal of one segment with groups of all sizes; a little over `bytes` long.
fn written(bytes: usize) -> Written {
    let (disk, hands) = (Disk::new(1), Hands::new());
    let (journal, _) = open(&hands, disk.layer());
    let path = disk.files()[0].clone();
    let mut groups = vec![(disk.content(&path).len(), 0)];
    for number in 0.. {
        let keys = (0..1 + number % 5)
            .map(|index| key(number * 10 + index))
            .collect();
        let size = 10 + (number * number * 37) % 1_900;
        append(&journal, entry(keys, vec![number as u8; size as usize])).unwrap();
        groups.push((disk.content(&path).len(), groups.len()));
        if groups.last().unwrap().0 > bytes {
            break;
        }
    }
    Written {
        bytes: disk.content(&path),
        entries: all(&journal),
        path,
        groups,
    }
}

fn reopen(
    path: &Path,
    bytes: &[u8],
) -> Result<(Disk, Journal, cofferdam_journal::Recovery), JournalError> {
    let disk = Disk::new(1);
    disk.place(path, bytes);
    let (journal, recovery) = Journal::open(DIR, Hands::new().options(), disk.layer())?;
    Ok((disk, journal, recovery))
}

/// Opens a file whose first `sound` bytes are as written: all whole groups in them are kept, the rest is reported.
fn check_prefix(written: &Written, bytes: &[u8], sound: usize) {
    let (size, entries) = written
        .groups
        .iter()
        .copied()
        .take_while(|(size, _)| *size <= sound)
        .last()
        .unwrap_or((0, 0));
    let (_, journal, recovery) = reopen(&written.path, bytes).unwrap();
    assert_eq!(recovery.entries, entries as u64, "{sound}");
    match recovery.cut {
        None => assert_eq!(size, bytes.len(), "{sound}: the loss is not reported"),
        Some(cut) => {
            assert_eq!(
                (cut.offset, cut.bytes),
                (size as u64, (bytes.len() - size) as u64)
            );
            assert_eq!(cut.segment, written.path);
        }
    }
    let after = written.entries[..entries].last().map_or(0, Entry::next_seq);
    assert!(recovery.next_seq >= after);
    if sound.is_multiple_of(97) {
        assert_eq!(all(&journal), written.entries[..entries]);
    }
}

#[test]
fn cut_at_every_byte_keeps_the_whole_groups() {
    let written = written(64 << 10);
    let step = if count(0, 1) == 1 { 1 } else { 3 };
    let from = written.bytes.len() - (64 << 10);
    let ends = written
        .groups
        .iter()
        .flat_map(|(size, _)| [size - 1, *size, size + 1]);
    let mut cuts = 0;
    for length in (from..=written.bytes.len())
        .step_by(step)
        .chain(ends)
        .chain(0..200)
    {
        if let Some(bytes) = written.bytes.get(..length) {
            check_prefix(&written, bytes, length);
            cuts += 1;
        }
    }
    println!("figure: journal cut: {cuts} cuts, every whole group kept and nothing else");
}

#[test]
fn zeros_garbage_and_old_sectors_at_the_end_are_cut_off() {
    let written = written(12 << 10);
    let last_group = written.groups[written.groups.len() - 2].0;
    for from in last_group..written.bytes.len() {
        let mut zeros = written.bytes.clone();
        zeros[from..].fill(0);
        check_prefix(&written, &zeros, from);
        let mut garbage = written.bytes.clone();
        for (at, byte) in garbage[from..].iter_mut().enumerate() {
            *byte ^= (at * 7 + 13) as u8 | 1;
        }
        check_prefix(&written, &garbage, from);
        // What was there before: an earlier part of the same file.
        let mut old = written.bytes.clone();
        let length = old.len() - from;
        old.copy_within(64..64 + length, from);
        if old[from] != written.bytes[from] {
            check_prefix(&written, &old, from);
        }
    }
}

#[test]
fn every_bit_flip_is_detected() {
    let written = written(6 << 10);
    let last_group = written.groups[written.groups.len() - 2].0;
    for bit in 0..written.bytes.len() * 8 {
        if count(0, 1) == 0 && bit % 5 != 0 {
            continue;
        }
        let mut bytes = written.bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        match reopen(&written.path, &bytes) {
            // The last group is like one whose write was not finished; before it, nothing is given up silently.
            Ok((_, journal, recovery)) => {
                assert!(
                    bit / 8 >= last_group,
                    "bit {bit} of a durable group was cut off"
                );
                assert_eq!(recovery.cut.unwrap().offset, last_group as u64);
                assert_eq!(all(&journal), written.entries[..written.entries.len() - 1]);
            }
            Err(JournalError::Damaged { .. }) => {}
            Err(JournalError::Newer { .. }) => assert!((8..12).contains(&(bit / 8))),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_flip_in_a_sealed_segment_is_a_clear_error() {
    let (disk, hands) = (Disk::new(1), Hands::new());
    let mut options = hands.options();
    options.segment_bytes = 1_500;
    let (journal, _) = Journal::open(DIR, options, disk.layer()).unwrap();
    for number in 0..30 {
        append(&journal, entry(vec![key(number)], vec![3; 100])).unwrap();
    }
    let files: Vec<PathBuf> = disk
        .files()
        .into_iter()
        .filter(|path| path.extension().is_some_and(|ext| ext == "seg"))
        .collect();
    assert!(files.len() > 2);
    let sealed = disk.content(&files[0]);
    for byte in 0..sealed.len() {
        let mut bytes = sealed.clone();
        bytes[byte] ^= 0x10;
        let copy = Disk::new(1);
        for path in &files {
            copy.place(path, &disk.content(path));
        }
        copy.place(&files[0], &bytes);
        let error = Journal::open(DIR, hands.options(), copy.layer()).unwrap_err();
        match error {
            JournalError::Damaged { segment, .. } => assert_eq!(segment, files[0]),
            JournalError::Newer { .. } => assert!((8..12).contains(&byte)),
            error => panic!("{error}"),
        }
        assert_eq!(copy.content(&files[0]), bytes, "nothing is overwritten");
    }
}

#[test]
fn damage_while_running_is_an_error_and_never_an_entry() {
    let (disk, hands) = (Disk::new(1), Hands::new());
    let (journal, _) = open(&hands, disk.layer());
    for number in 0..3 {
        append(&journal, entry(vec![key(number)], vec![9; 50])).unwrap();
    }
    let path = disk.files()[0].clone();
    let sound = all(&journal);
    for byte in 64..disk.content(&path).len() {
        disk.flip(&path, byte);
        match journal.read(0, usize::MAX) {
            // Readers do not look at the end markers.
            Ok(entries) => assert_eq!(entries, sound, "{byte}"),
            Err(JournalError::Damaged { .. }) => {}
            Err(error) => panic!("{error}"),
        }
        disk.flip(&path, byte);
    }
}
