//! `summary` and `plot`: backbones and models, every format, what they refuse.

use std::fs;

use crate::fixture::Fixture;

#[test]
fn a_backbone_is_summed_up_without_weights() {
    let fixture = Fixture::new();
    let text = fixture.ok(&["summary", "efficientnet_lite2"]);
    assert!(text.contains("stem_conv (Conv2D)") && text.contains("(None, 130, 130, 32)"), "{text}");
    let [own, larger] = [None, Some("--input-size=320x260")].map(|size| {
        let arguments: Vec<&str> = ["summary", "efficientnet_lite2"].into_iter().chain(size).collect();
        fixture.json(&arguments)
    });
    assert_eq!(own["parameters"], larger["parameters"]);
    assert!(own["multiply_adds"].as_u64() < larger["multiply_adds"].as_u64());
    let with_top = fixture.json(&["summary", "efficientnet_lite2", "--with-top"]);
    let difference = with_top["parameters"].as_u64().unwrap() - own["parameters"].as_u64().unwrap();
    assert_eq!(difference, 1280 * 1000 + 1000);
}

#[test]
fn a_model_is_summed_up_and_drawn_with_its_head() {
    let fixture = Fixture::with_model();
    let summary = fixture.json(&["summary", "model.safetensors"]);
    let layers = summary["layers"].as_array().unwrap();
    let head = &layers[layers.len() - 2];
    assert_eq!(
        (&head["name"], &head["type"], &head["output_shape"]),
        (&"head".into(), &"Dense".into(), &[2].into())
    );
    for (name, start) in
        [("net.svg", &b"<svg"[..]), ("net.png", &b"\x89PNG"[..]), ("net.dot", &b"digraph"[..])]
    {
        fixture.ok(&["plot", "model.safetensors", "--out", name]);
        assert!(fs::read(fixture.path(name)).unwrap().starts_with(start), "{name}");
    }
    let svg = fs::read_to_string(fixture.path("net.svg")).unwrap();
    assert!(svg.contains(">head_softmax</text>"));
}

#[test]
fn what_is_no_network_or_no_picture_is_refused() {
    let fixture = Fixture::with_data();
    for (arguments, code, want) in [
        (&["summary", "resnet9000"][..], 2, "`resnet9000` is unknown"),
        (&["summary", "data/discs/0.png"], 3, "data/discs/0.png"),
        (
            &["summary", "efficientnet_lite0", "--input-size", "0"],
            2,
            "0 x 0 pixels (backbone `efficientnet_lite0` got an input",
        ),
        (&["plot", "efficientnet_lite0", "--out", "net.jpg"], 2, ".svg, .png or .dot"),
        (&["plot", "efficientnet_lite0", "--out", "absent/net.svg"], 1, "absent"),
    ] {
        let error = fixture.fails(arguments, code);
        assert!(error.contains(want), "{arguments:?}: {error}");
    }
}
