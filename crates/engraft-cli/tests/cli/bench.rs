//! `bench`: speeds and profiles as text and as JSON, and what cannot be measured.

use crate::fixture::Fixture;

#[test]
fn a_backbone_is_timed_without_its_weights() {
    let fixture = Fixture::new();
    let text = fixture.ok(&["bench", "mobilenet_025", "--threads", "1"]);
    assert!(text.starts_with("mobilenet_025, 224 x 224, ") && text.contains("batch 8: "), "{text}");
    let speed = fixture.json(&["bench", "mobilenet_025", "--threads", "2"]);
    assert_eq!((&speed["name"], &speed["threads"]), (&"mobilenet_025".into(), &2.into()));
    let batches = speed["batches"].as_array().unwrap();
    for (row, batch) in batches.iter().zip([1, 8]) {
        assert_eq!(row["batch"], batch);
        assert!(row["images_per_second"].as_f64().unwrap() > 0.0, "{speed}");
    }
}

#[test]
fn a_profile_lists_every_step_with_its_share_of_the_peak() {
    let fixture = Fixture::new();
    let text = fixture.ok(&["bench", "--profile", "mobilenet_025", "--runs", "1"]);
    assert!(text.contains("conv_dw_13") && text.contains("of peak"), "{text}");
    let profile = fixture.json(&["bench", "--profile", "mobilenet_025", "--runs", "2"]);
    assert!(profile["peak_gflops"].as_f64() > profile["gflops"].as_f64(), "{profile}");
    let steps = profile["steps"].as_array().unwrap();
    let first_depthwise = steps.iter().find(|step| step["kernel"] == "depthwise").unwrap();
    assert_eq!(first_depthwise["output_shape"], serde_json::json!([112, 112, 8]));
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let fixture = Fixture::new();
    for (arguments, want) in [
        (&["bench", "resnet9000"][..], "`resnet9000` is unknown"),
        (&["bench", "--runs", "3"], "--profile"),
        (&["bench", "--profile", "--runs", "0"], "--runs is 0"),
        (&["bench", "--profile", "--threads", "2"], "expected no --threads"),
    ] {
        let error = fixture.fails(arguments, 2);
        assert!(error.contains(want), "{arguments:?}: {error}");
    }
}
