//! Notices when the pixels of augmented copies change, so that `AUGMENT_REVISION` changes with them.
//!
//! Stored features are found under the revision: with new pixels under an old name a store would mix the two. The digests say
//! nothing about whether copies are right; the goldens do. After a change that is meant, give the revision a new number and
//! put the digests that this test prints here. Settings that use the platform's mathematics (sines of rotations, noise) are not
//! watched, since their last bit is not ours.

#![expect(clippy::unwrap_used, reason = "helpers of tests, like tests, fail by panicking")]

use engraft_data::{
    AUGMENT_REVISION, Digest,
    augment::{Augmentation, FloatImage, copy_rng},
};
use engraft_testing::noise_u8;

/// The revision that the digests belong to.
const REVISION: &str = "engraft-data augment 1";

const DIGESTS: &[(&str, &str)] = &[
    ("tutorial", "4e816b3b06ed521570524111c4e5f02656e017c83b813a37ada868cb32ad5236"),
    (
        "horizontal-flip,channel-shift=30,brightness=0.5:1.5",
        "352ecd1626640bfc0e0a5b49da02b8976c8eef22e0f629fb65eb656bb34f2ead",
    ),
    (
        "color-jitter=0.4:0.4:0.4:0.1,greyscale=0.2,erasing=0.5",
        "a0a27dd5c8724dc5802c68befb445bd0701f19fd73602d261a51a25b89ba6913",
    ),
    (
        "width-shift=3,height-shift=0.3:0.1,zoom=0.5:2,fill=reflect",
        "541378983edfe84b486c66b027b3ab45a4762c8d69d1bacce05fb899bc7a5876",
    ),
];

#[test]
fn copies_keep_their_pixels_while_the_revision_stays() {
    assert_eq!(AUGMENT_REVISION, REVISION, "a new revision needs new digests");
    let found: Vec<(&str, String)> =
        DIGESTS.iter().map(|(text, _)| (*text, digest_of_copies(text))).collect();
    let same = found.iter().zip(DIGESTS).all(|((_, found), (_, known))| found == known);
    assert!(same, "new pixels need a new revision: {found:#?}");
}

fn digest_of_copies(text: &str) -> String {
    let values = noise_u8(1, 20 * 31 * 3).into_iter().map(f32::from).collect();
    let (image, augmentation) =
        (FloatImage::new(20, 31, values).unwrap(), Augmentation::parse(text).unwrap());
    let copy =
        |copy| augmentation.apply(image.clone(), &mut copy_rng(1, &Digest::of(b"image"), copy)).to_image();
    Digest::of(&(0..8).flat_map(|number| copy(number).pixels).collect::<Vec<u8>>()).to_string()
}
