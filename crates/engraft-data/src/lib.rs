//! Finding, decoding and resizing labelled images.
