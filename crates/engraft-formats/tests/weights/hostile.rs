//! Damaged and malicious files: an error or other numbers, but no panic and no more memory than the limits.

use std::{
    io::Cursor,
    sync::{Mutex, PoisonError},
};

use engraft_formats::{Limits, WeightsFile, read_weights_from};
use peak_alloc::PeakAlloc;

use crate::files::{all, expected, named, read, rows};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Tests that measure memory must not see that of one another.
static ALONE: Mutex<()> = Mutex::new(());

/// Most bytes that a reader needs for itself: the decoder makes room for as many entries of a directory as one says
/// that it has, at most 65535.
const OWN_BYTES: usize = 16 << 20;

/// Reads damaged `bytes` and returns whether they were refused, after checking what it took at most.
fn refused(bytes: &[u8], what: &str) -> bool {
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    let result = read(bytes);
    let peak = ALLOCATOR.peak_usage() - before;
    let limits = Limits::for_file_len(bytes.len() as u64);
    assert!(peak < limits.total_bytes as usize + OWN_BYTES, "{what}: {peak} bytes at peak");
    result.is_err()
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for (file, step) in [
        ("tiny_earliest.h5", 1),
        ("tiny_latest.h5", 1),
        ("arrays_stored.npz", 1),
        ("arrays_compressed.npz", 1),
        ("counted_compressed.keras", 7),
        ("counted_stored.keras", 997),
        ("legacy_model.h5", 499),
        ("storage_latest.h5", 997),
    ] {
        let bytes = named(file);
        for len in (0..bytes.len()).step_by(step) {
            assert!(refused(&bytes[..len], file), "{file} cut to {len} of {} bytes", bytes.len());
        }
    }
}

#[test]
fn a_changed_byte_does_no_harm() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for (file, step) in [
        ("tiny_earliest.h5", 1),
        ("tiny_latest.h5", 1),
        ("arrays_stored.npz", 1),
        ("arrays_compressed.npz", 1),
        ("counted_compressed.keras", 3),
        ("counted_weights.h5", 211),
        ("storage_earliest.h5", 307),
        ("storage_latest.h5", 307),
    ] {
        let bytes = named(file);
        let mut refusals = 0;
        for place in (0..bytes.len()).step_by(step) {
            for flip in [0x01, 0x80] {
                let mut changed = bytes.clone();
                changed[place] ^= flip;
                refusals += usize::from(refused(&changed, &format!("{file}, byte {place} ^ {flip}")));
            }
        }
        assert!(refusals > 0, "{file}: no change was noticed");
    }
}

#[test]
fn eight_bytes_of_ones_or_zeros_do_no_harm() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for (file, step) in [
        ("tiny_earliest.h5", 1),
        ("tiny_latest.h5", 1),
        ("counted_weights.h5", 211),
        ("storage_latest.h5", 307),
    ] {
        let bytes = named(file);
        for place in (0..bytes.len() - 8).step_by(step) {
            for value in [0x00, 0xff] {
                let mut changed = bytes.clone();
                changed[place..place + 8].fill(value);
                refused(&changed, &format!("{file}, bytes from {place} on = {value}"));
            }
        }
    }
}

#[test]
fn what_a_file_must_not_do_is_named() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut wants = vec![
        ("link_to_a_file.h5", "it links to the file \"/etc/passwd\", expected no other file"),
        ("link_to_itself.h5", "lacks the tensor `layer/weight`"),
        ("link_to_nothing.h5", "lacks the tensor `layer/weight`"),
        ("data_in_a_file.h5", "layer/weight in the HDF5 file is broken: "),
        ("virtual.h5", "layer/weight in the HDF5 file is broken: "),
        (
            "bomb.h5",
            "tensor `layer/weight` brings the file to 4398046511115 bytes in memory, expected at most ",
        ),
        (
            "wide_chunk.h5",
            "tensor `layer/weight` brings the file to 4194315 bytes in memory, expected at most ",
        ),
        ("text.h5", "tensor `layer/weight` has the element type text, expected an IEEE float"),
        ("complex.h5", "tensor `layer/weight` has the element type compound"),
        ("extended.h5", "tensor `layer/weight` has the element type float of 16 bytes that is not IEEE"),
        ("circle.h5", "the group `layers/dense/inside` in the HDF5 file is broken: it is reached twice"),
        ("zeros.npz", "entry `zeros.npy` brings the file to 16777344 bytes in memory, expected at most "),
        ("integers.npz", "tensor `integers` has the element type <i8, expected <f4"),
    ];
    for (file, bytes) in all() {
        let Some(name) = file.strip_prefix("refused/") else { continue };
        assert!(refused(&bytes, name), "{name}");
        let place = wants.iter().position(|&(known, _)| known == name).unwrap_or_else(|| panic!("{name}"));
        let (_, want) = wants.remove(place);
        let error = read(&bytes).unwrap_err().to_string();
        assert!(error.contains(want), "{name}: {error}");
    }
    assert!(wants.is_empty(), "{wants:?}");
}

#[test]
fn a_changed_weight_of_an_archive_is_noticed_by_its_checksum() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for (file, entry) in [("counted_stored.keras", "model.weights.h5"), ("arrays_stored.npz", "b.npy")] {
        let mut bytes = named(file);
        let value = 2.0f32.to_le_bytes();
        let place = match entry {
            "b.npy" => bytes.windows(4).position(|window| window == value).unwrap(),
            _ => bytes.len() / 2,
        };
        bytes[place] ^= 1;
        let error = read(&bytes).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("entry `{entry}` in the zip file is broken: ")),
            "{file}: {error}"
        );
        assert!(error.to_lowercase().contains("checksum"), "{file}: {error}");
    }
}

#[test]
fn the_limit_of_all_bytes_is_kept_and_reached() {
    let bytes = named("tiny_earliest.h5");
    let texts = ["layer", "weight"].concat().len();
    let needed: usize = expected("tiny").iter().map(|(.., bits)| bits.len() * 4).sum::<usize>() + texts;
    let read = |total_bytes| {
        let limits = Limits { total_bytes, ..Limits::for_file_len(bytes.len() as u64) };
        read_weights_from(Cursor::new(bytes.clone()), limits)
    };
    let WeightsFile::Layers(layers) = read(needed as u64).unwrap() else { panic!("no layers") };
    assert_eq!(rows(&layers), expected("tiny"));
    let error = read(needed as u64 - 1).unwrap_err().to_string();
    let want = format!("{needed} bytes in memory, expected at most {}", needed - 1);
    assert_eq!(error, format!("tensor `layer/weight` brings the file to {want}"));
}
