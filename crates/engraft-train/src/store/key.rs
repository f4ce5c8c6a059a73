//! What a stored feature is stored under.

use engraft_data::Digest;

/// Everything that can change a cached feature. Two equal keys mean byte-equal features.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeatureKey {
    /// Digest of the image file's bytes.
    pub image: Digest,
    /// How features are made from it.
    pub space: FeatureSpace,
}

/// How features are made from an image: every choice that can change their bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeatureSpace {
    /// Digest of the backbone's weights.
    pub backbone_sha256: String,
    /// Digest of the network's description.
    pub graph: Digest,
    /// The node whose value is taken.
    pub output: String,
    /// Input height and width, in pixels.
    pub input: [usize; 2],
    /// Number of values.
    pub feature_len: usize,
    /// How the image is made to fit the input.
    pub fit: String,
    /// The filter it is resized with.
    pub filter: String,
    /// What decodes and resizes, with versions.
    pub decoder: String,
    /// What runs the network, with its revision.
    pub engine: String,
    /// The type the network computes in.
    pub precision: String,
    /// The instruction set it runs on.
    pub instruction_set: String,
    /// Which view of the image is taken.
    pub view: String,
}

impl FeatureKey {
    /// Identifies the key; the name of its entry.
    pub fn digest(&self) -> Digest {
        let FeatureSpace {
            backbone_sha256,
            graph,
            output,
            input: [height, width],
            feature_len,
            fit,
            filter,
            decoder,
            engine,
            precision,
            instruction_set,
            view,
        } = &self.space;
        let numbers = [*height, *width, *feature_len].map(|number| number.to_string());
        let texts = [backbone_sha256, output, fit, filter, decoder, engine, precision, instruction_set, view];
        let fields = texts.into_iter().chain(&numbers).map(String::as_bytes);
        let fields: Vec<&[u8]> = fields.chain([&self.image.0[..], &graph.0]).collect();
        // Each field goes in behind its length, so that no two lists of fields read alike.
        let lens: Vec<[u8; 8]> = fields.iter().map(|field| (field.len() as u64).to_le_bytes()).collect();
        let parts: Vec<&[u8]> = lens.iter().zip(&fields).flat_map(|(len, field)| [&len[..], field]).collect();
        Digest::of_parts(&parts)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::store::tests::key;

    #[test]
    fn every_field_changes_the_digest() {
        let base = key("a", "crop");
        let changes: [fn(&mut FeatureKey); 13] = [
            |key| key.image = Digest::of(b"other"),
            |key| key.space.backbone_sha256.push('1'),
            |key| key.space.graph = Digest::of(b"other"),
            |key| key.space.output.push('1'),
            |key| key.space.input = [224, 225],
            |key| key.space.feature_len += 1,
            |key| key.space.fit.push('1'),
            |key| key.space.filter.push('1'),
            |key| key.space.decoder.push('1'),
            |key| key.space.engine.push('1'),
            |key| key.space.precision.push('1'),
            |key| key.space.instruction_set.push('1'),
            |key| key.space.view.push('1'),
        ];
        let mut digests = HashSet::from([base.digest()]);
        for (index, change) in changes.iter().enumerate() {
            let mut changed = base.clone();
            change(&mut changed);
            assert!(digests.insert(changed.digest()), "change {index} left the digest alone");
        }
        assert_eq!(base.digest(), base.clone().digest());
    }

    #[test]
    fn fields_cannot_run_into_each_other() {
        let mut one = key("a", "crop");
        let mut two = one.clone();
        (one.space.fit, one.space.filter) = ("ab".to_owned(), "c".to_owned());
        (two.space.fit, two.space.filter) = ("a".to_owned(), "bc".to_owned());
        assert_ne!(one.digest(), two.digest());
    }
}
