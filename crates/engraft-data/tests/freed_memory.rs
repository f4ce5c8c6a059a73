//! Memory that was freed serves again without the system's help. The only test of its binary: it changes the allocator.

#![cfg(all(target_os = "linux", target_env = "gnu"))]
// Helpers of tests fail like tests; clippy knows that of test functions only.
#![allow(clippy::unwrap_used)]

use std::{fs, hint::black_box};

/// Pages that the system had to map on first use, as `proc(5)` counts them in the tenth field.
fn page_faults() -> u64 {
    let stat = fs::read_to_string("/proc/thread-self/stat").unwrap();
    let behind_name = stat.rsplit_once(") ").unwrap().1;
    behind_name.split(' ').nth(7).unwrap().parse().unwrap()
}

fn faults_of_images() -> u64 {
    let before = page_faults();
    for _ in 0..100 {
        // More at once than the allocator keeps by itself.
        black_box([(); 4].map(|()| vec![1u8; 1 << 20]));
    }
    page_faults() - before
}

#[test]
fn freed_memory_serves_again() {
    let handed_back = faults_of_images();
    engraft_data::keep_freed_memory();
    faults_of_images();
    let kept = faults_of_images();
    assert!(handed_back > 10_000 && kept < 2000, "{kept} page faults, {handed_back} before");
}
