//! The weight files that the makers of keras.applications publish, for every backbone and width.
//!
//! Source: the constructors of Keras 3.15 (`keras/src/applications`). A script in `reference/` records what each of them
//! asks for, and a test compares this table with it.

use super::Checksum;
use crate::Ending;

/// A published weight file of a backbone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfficialFile {
    /// The name of the file.
    pub name: String,
    /// The name that Keras gives to its copy of the file.
    pub keras_name: String,
    /// The digest that its makers publish; MobileNet V1 and V2 have none.
    pub checksum: Option<Checksum>,
    base: &'static str,
    folder: &'static str,
}

impl OfficialFile {
    /// The file of `backbone` without or with the ImageNet classifier, if there is one.
    pub fn of(backbone: &str, ending: Ending) -> Option<OfficialFile> {
        let mut rows = FAMILIES.iter().flat_map(|family| family.rows.iter().map(move |row| (family, row)));
        let (family, row) = rows.find(|(_, row)| row.0 == backbone)?;
        Some(family.file(row, ending))
    }

    /// Where it is published, or where it is on `mirror`, an address that stands for the official one.
    pub fn url(&self, mirror: Option<&str>) -> String {
        let base = mirror.map_or(self.base, |mirror| mirror.trim_end_matches('/'));
        format!("{base}/{}{}", self.folder, self.name)
    }

    /// The names that the file may have on this computer.
    pub(super) fn local_names(&self) -> [&str; 2] {
        [&self.name, &self.keras_name]
    }
}

/// All backbones with official files, family by family.
pub fn official_backbones() -> impl Iterator<Item = &'static str> {
    FAMILIES.iter().flat_map(|family| family.rows.iter().map(|row| row.0))
}

/// Backbone, file name up to what the family appends, digest without the classifier, digest with it.
type Row = (&'static str, &'static str, &'static str, &'static str);

/// Files of one folder that are named by one rule.
struct Family {
    base: &'static str,
    folder: &'static str,
    /// What the name of a file without the classifier ends with.
    no_top: &'static str,
    rows: &'static [Row],
}

impl Family {
    fn file(&self, (backbone, stem, features, logits): &Row, ending: Ending) -> OfficialFile {
        let (no_top, digest) = match ending {
            Ending::Logits => ("", logits),
            Ending::Features | Ending::MaxFeatures | Ending::Map => (self.no_top, features),
        };
        let name = format!("{stem}{no_top}.h5");
        // Keras renames these two alone.
        let keras_name = match self.folder {
            "nasnet/" => format!("{backbone}{}.h5", no_top.replace('-', "_")),
            _ => name.clone(),
        };
        let checksum = Checksum::from_hexadecimal(digest);
        OfficialFile { name, keras_name, checksum, base: self.base, folder: self.folder }
    }
}

const KERAS: &str = "https://storage.googleapis.com/tensorflow/keras-applications";
const EFFICIENTNET: &str = "https://storage.googleapis.com/keras-applications";

#[rustfmt::skip] // one file a row
static FAMILIES: &[Family] = &[
    Family { base: KERAS, folder: "xception/", no_top: "_notop", rows: &[
        ("xception", "xception_weights_tf_dim_ordering_tf_kernels", "b0042744bf5b25fce3cb969f33bebb97", "0a58e3b7378bc2990ea3b43d5981f1f6"),
    ] },
    Family { base: KERAS, folder: "inception_v3/", no_top: "_notop", rows: &[
        ("inception_v3", "inception_v3_weights_tf_dim_ordering_tf_kernels", "bcbd6486424b2319ff4ef7d526e38f63", "9a0d58056eeedaa3f26cb7ebd46da564"),
    ] },
    Family { base: KERAS, folder: "inception_resnet_v2/", no_top: "_notop", rows: &[
        ("inception_resnet_v2", "inception_resnet_v2_weights_tf_dim_ordering_tf_kernels", "d19885ff4a710c122648d3b5c3b684e4", "e693bd0210a403b3192acc6073ad2e96"),
    ] },
    Family { base: KERAS, folder: "mobilenet/", no_top: "_no_top", rows: &[
        ("mobilenet_025", "mobilenet_2_5_224_tf", "", ""),
        ("mobilenet_050", "mobilenet_5_0_224_tf", "", ""),
        ("mobilenet_075", "mobilenet_7_5_224_tf", "", ""),
        ("mobilenet", "mobilenet_1_0_224_tf", "", ""),
    ] },
    Family { base: KERAS, folder: "mobilenet_v2/", no_top: "_no_top", rows: &[
        ("mobilenet_v2_035", "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224", "", ""),
        ("mobilenet_v2_050", "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.5_224", "", ""),
        ("mobilenet_v2_075", "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.75_224", "", ""),
        ("mobilenet_v2", "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224", "", ""),
        ("mobilenet_v2_130", "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.3_224", "", ""),
        ("mobilenet_v2_140", "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.4_224", "", ""),
    ] },
    Family { base: KERAS, folder: "mobilenet_v3/", no_top: "_no_top_v2", rows: &[
        ("mobilenet_v3_small", "weights_mobilenet_v3_small_224_1.0_float", "d3e8ec802a04aa4fc771ee12a9a9b836", "8768d4c2e7dee89b9d02b2d03d65d862"),
        ("mobilenet_v3_small_075", "weights_mobilenet_v3_small_224_0.75_float", "ebdb5cc8e0b497cd13a7c275d475c819", "cb65d4e5be93758266aa0a7f2c6708b7"),
        ("mobilenet_v3_small_minimalistic", "weights_mobilenet_v3_small_minimalistic_224_1.0_float", "cde8136e733e811080d9fcd8a252f7e4", "99cd97fb2fcdad2bf028eb838de69e37"),
        ("mobilenet_v3_large", "weights_mobilenet_v3_large_224_1.0_float", "07fb09a5933dd0c8eaafa16978110389", "59e551e166be033d707958cf9e29a6a7"),
        ("mobilenet_v3_large_075", "weights_mobilenet_v3_large_224_0.75_float", "40af19a13ebea4e2ee0c676887f69a2e", "765b44a33ad4005b3ac83185abf1d0eb"),
        ("mobilenet_v3_large_minimalistic", "weights_mobilenet_v3_large_minimalistic_224_1.0_float", "ec5221f64a2f6d1ef965a614bdae7973", "675e7b876c45c57e9e63e6d90a36599c"),
    ] },
    Family { base: KERAS, folder: "nasnet/", no_top: "-no-top", rows: &[
        ("nasnet_mobile", "NASNet-mobile", "1ed92395b5b598bdda52abe5c0dbfd63", "020fb642bf7360b370c678b08e0adf61"),
        ("nasnet_large", "NASNet-large", "d81d89dc07e6e56530c4e77faddd61b5", "11577c9a518f0070763c2b964a382f17"),
    ] },
    Family { base: KERAS, folder: "vgg16/", no_top: "_notop", rows: &[
        ("vgg16", "vgg16_weights_tf_dim_ordering_tf_kernels", "6d6bbae143d832006294945121d1f1fc", "64373286793e3c8b2b4e3219cbf3544b"),
    ] },
    Family { base: KERAS, folder: "vgg19/", no_top: "_notop", rows: &[
        ("vgg19", "vgg19_weights_tf_dim_ordering_tf_kernels", "253f8cb515780f3b799900260a226db6", "cbe5617147190e668d6c5d5026f83318"),
    ] },
    Family { base: KERAS, folder: "resnet/", no_top: "_notop", rows: &[
        ("resnet50", "resnet50_weights_tf_dim_ordering_tf_kernels", "4d473c1dd8becc155b73f8504c6f6626", "2cb95161c43110f7111970584f804107"),
        ("resnet101", "resnet101_weights_tf_dim_ordering_tf_kernels", "88cf7a10940856eca736dc7b7e228a21", "f1aeb4b969a6efcfb50fad2f0c20cfc5"),
        ("resnet152", "resnet152_weights_tf_dim_ordering_tf_kernels", "ee4c566cf9a93f14d82f913c2dc6dd0c", "100835be76be38e30d865e96f2aaae62"),
        ("resnet50_v2", "resnet50v2_weights_tf_dim_ordering_tf_kernels", "fac2f116257151a9d068a22e544a4917", "3ef43a0b657b3be2300d5770ece849e0"),
        ("resnet101_v2", "resnet101v2_weights_tf_dim_ordering_tf_kernels", "c0ed64b8031c3730f411d2eb4eea35b5", "6343647c601c52e1368623803854d971"),
        ("resnet152_v2", "resnet152v2_weights_tf_dim_ordering_tf_kernels", "ed17cf2e0169df9d443503ef94b23b33", "a49b44d1979771252814e80f8ec446f9"),
    ] },
    Family { base: KERAS, folder: "densenet/", no_top: "_notop", rows: &[
        ("densenet121", "densenet121_weights_tf_dim_ordering_tf_kernels", "30ee3e1110167f948a6b9946edeeb738", "9d60b8095a5708f2dcce2bca79d332c7"),
        ("densenet169", "densenet169_weights_tf_dim_ordering_tf_kernels", "b8c4d4c20dd625c148057b9ff1c1176b", "d699b8f76981ab1b30698df4c175e90b"),
        ("densenet201", "densenet201_weights_tf_dim_ordering_tf_kernels", "c13680b51ded0fb44dff2d8f86ac8bb1", "1ceb130c1ea1b78c3bf6114dbdfd8807"),
    ] },
    Family { base: EFFICIENTNET, folder: "", no_top: "_notop", rows: &[
        ("efficientnet_b0", "efficientnetb0", "50bc09e76180e00e4465e1a485ddc09d", "902e53a9f72be733fc0bcb005b3ebbac"),
        ("efficientnet_b1", "efficientnetb1", "74c4e6b3e1f6a1eea24c589628592432", "1d254153d4ab51201f1646940f018540"),
        ("efficientnet_b2", "efficientnetb2", "111f8e2ac8aa800a7a99e3239f7bfb39", "b15cce36ff4dcbd00b6dd88e7857a6ad"),
        ("efficientnet_b3", "efficientnetb3", "af6d107764bb5b1abb91932881670226", "ffd1fdc53d0ce67064dc6a9c7960ede0"),
        ("efficientnet_b4", "efficientnetb4", "ebc24e6d6c33eaebbd558eafbeedf1ba", "18c95ad55216b8f92d7e70b3a046e2fc"),
        ("efficientnet_b5", "efficientnetb5", "38879255a25d3c92d5e44e04ae6cec6f", "ace28f2a6363774853a83a0b21b9421a"),
        ("efficientnet_b6", "efficientnetb6", "9ecce42647a20130c1f39a5d4cb75743", "165f6e37dce68623721b423839de8be5"),
        ("efficientnet_b7", "efficientnetb7", "cbcfe4450ddf6f3ad90b1b398090fe4a", "8c03f828fec3ef71311cd463b6759d99"),
    ] },
    Family { base: KERAS, folder: "efficientnet_v2/", no_top: "_notop", rows: &[
        ("efficientnet_v2_b0", "efficientnetv2-b0", "893217f2bb855e2983157299931e43ff", "21ecbf6da12460d5c40bb2f29ceb2188"),
        ("efficientnet_v2_b1", "efficientnetv2-b1", "0e80663031ca32d657f9caa404b6ec37", "069f0534ff22adf035c89e2d9547a9dc"),
        ("efficientnet_v2_b2", "efficientnetv2-b2", "1dfe2e7a5d45b6632553a8961ea609eb", "424e49f28180edbde1e94797771950a7"),
        ("efficientnet_v2_b3", "efficientnetv2-b3", "f6abf7b5849ac99a89b50dd3fd532856", "1f1fc43bd98a6e4fd8fdfd551e02c7a0"),
        ("efficientnet_v2_s", "efficientnetv2-s", "af0682fb74e8c54910f2d4393339c070", "e1d88a8495beba45748fedd0cecbe016"),
        ("efficientnet_v2_m", "efficientnetv2-m", "1b8dc055df72dde80d614482840fe342", "a3bf6aa3276309f4fc6a34aa114c95cd"),
        ("efficientnet_v2_l", "efficientnetv2-l", "b0b66b5c863aef5b46e8608fe1711615", "27e6d408b53c7ebc868fefa357689935"),
    ] },
    Family { base: KERAS, folder: "convnext/", no_top: "_notop", rows: &[
        ("convnext_tiny", "convnext_tiny", "d547c096cabd03329d7be5562c5e14798aa39ed24b474157cef5e85ab9e49ef1", "8ae6e78ce2933352b1ef4008e6dd2f17bc40771563877d156bc6426c7cf503ff"),
        ("convnext_small", "convnext_small", "6fc8009faa2f00c1c1dfce59feea9b0745eb260a7dd11bee65c8e20843da6eab", "ce1277d8f1ee5a0ef0e171469089c18f5233860ceaf9b168049cb9263fd7483c"),
        ("convnext_base", "convnext_base", "40a20c5548a5e9202f69735ecc06c990e6b7c9d2de39f0361e27baeb24cb7c45", "52cbb006d3dadd03f6e095a8ca1aca47aecdd75acb4bc74bce1f5c695d0086e6"),
        ("convnext_large", "convnext_large", "96f02b6f0753d4f543261bc9d09bed650f24dd6bc02ddde3066135b63d23a1cd", "070c5ed9ed289581e477741d3b34beffa920db8cf590899d6d2c67fba2a198a6"),
        ("convnext_xlarge", "convnext_xlarge", "de3f8a54174130e0cecdc71583354753d557fcf1f4487331558e2a16ba0cfe05", "c1f5ccab661354fc3a79a10fa99af82f0fbf10ec65cb894a3ae0815f17a889ee"),
    ] },
];

#[cfg(test)]
mod tests {
    use engraft_testing::Golden;

    use super::*;

    #[test]
    fn every_file_is_the_one_that_keras_asks_for() {
        let golden = Golden::open("weights/official");
        let mut names = Vec::new();
        for backbone in official_backbones() {
            for (ending, key) in [(Ending::Features, "features"), (Ending::Logits, "logits")] {
                let key = format!("{backbone}.{key}");
                let file = OfficialFile::of(backbone, ending).unwrap();
                let digest = file.checksum.as_ref().map_or("", Checksum::hexadecimal);
                let text = format!("{}\n{}\n{digest}", file.keras_name, file.url(None));
                assert_eq!(text, String::from_utf8(golden.u8(&key)).unwrap(), "{key}");
                names.push(key);
            }
        }
        names.sort();
        assert_eq!(names, golden.names());
    }

    #[test]
    fn a_mirror_keeps_the_path() {
        for (backbone, mirror, want) in [
            ("resnet50", "http://a/b", "http://a/b/resnet/resnet50_weights_tf_dim_ordering_tf_kernels.h5"),
            ("efficientnet_b0", "https://a/", "https://a/efficientnetb0.h5"),
        ] {
            assert_eq!(OfficialFile::of(backbone, Ending::Logits).unwrap().url(Some(mirror)), want);
        }
        assert_eq!(OfficialFile::of("efficientnet_lite0", Ending::Features), None);
    }
}
