//! Pictures as vector graphics.

use std::fmt::Write;

use super::layout::{LayerBox, Picture, TEXT_PX};

/// The picture as an SVG document.
pub fn draw(picture: &Picture) -> String {
    let [width, height] = picture.size;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"Hack, DejaVu Sans Mono, Menlo, Consolas, monospace\" \
         font-size=\"{TEXT_PX}\">\n\
         <defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" \
         orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" fill=\"#555\"/></marker></defs>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <g fill=\"none\" stroke=\"#555\">\n"
    );
    for line in &picture.lines {
        push(&mut svg, format_args!("<path d=\"{}\" marker-end=\"url(#tip)\"/>\n", path(line)));
    }
    svg += "</g>\n";
    picture.boxes.iter().for_each(|place| push_box(&mut svg, place));
    svg + "</svg>\n"
}

fn push(svg: &mut String, text: std::fmt::Arguments) {
    svg.write_fmt(text).expect("writing to a string cannot fail");
}

fn path(line: &[[f32; 2]]) -> String {
    let points: Vec<String> = line.iter().map(|[x, y]| format!("{x:.1} {y:.1}")).collect();
    format!("M{}", points.join("L"))
}

fn push_box(svg: &mut String, place: &LayerBox) {
    let ([x, y], [width, height], [red, green, blue]) = (place.corner, place.size, place.fill);
    push(
        svg,
        format_args!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"4\" \
             fill=\"rgb({red},{green},{blue})\" stroke=\"#777\"/>\n"
        ),
    );
    for (index, text) in place.label.iter().enumerate() {
        let (x, y) = (x + width / 2.0, y + height * (0.41 + 0.41 * index as f32));
        let text = escape(text);
        push(svg, format_args!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{text}</text>\n"));
    }
}

/// Text as it may stand between tags.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::super::{layout::lay_out, tests::layer};
    use super::*;

    #[test]
    fn names_cannot_break_out_of_the_text() {
        let svg = draw(&lay_out(&[layer("<&>", &[])]));
        assert!(svg.contains(">&lt;&amp;&gt;</text>"), "{svg}");
        assert_eq!(svg.matches("<rect").count(), 2, "the ground and one layer");
    }
}
