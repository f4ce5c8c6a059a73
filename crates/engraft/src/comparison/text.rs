//! A comparison as text for people.

use super::{Accuracy, Comparison, Contender};
use crate::skipped;

const HEAD: [&str; 10] = [
    "backbone",
    "cv accuracy",
    "",
    "test",
    "features",
    "parameters",
    "weights",
    "images/s",
    "seconds",
    "licence",
];

impl Comparison {
    /// A table, sorted by accuracy, and what could not be compared.
    pub fn text(&self) -> String {
        let rows: Vec<[String; 10]> =
            self.backbones.iter().filter(|row| row.error.is_none()).map(cells).collect();
        let table: Vec<[String; 10]> = [HEAD.map(str::to_owned)].into_iter().chain(rows).collect();
        let widths: Vec<usize> = (0..HEAD.len())
            .map(|column| table.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
            .collect();
        let mut text = self.summary();
        for row in &table {
            let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| match column {
                0 | 2 | 9 => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            });
            text += cells.collect::<Vec<_>>().join("  ").trim_end();
            text.push('\n');
        }
        for row in &self.backbones {
            if let Some(error) = &row.error {
                text += &format!("{}: {}\n", row.name, skipped::printable(error));
            }
        }
        text + &self.remark()
    }

    fn summary(&self) -> String {
        let test = self.test_images.map(|count| format!(", {count} test")).unwrap_or_default();
        let skipped = skipped::summary(&self.skipped, self.ignored);
        format!("{} classes, {} training images{test}; {skipped}", self.classes.len(), self.train_images)
    }

    fn remark(&self) -> String {
        let tie = "= within the 95 % interval of the best; ";
        let tie = if self.backbones.iter().any(|row| row.tie) { tie } else { "" };
        format!("\n{tie}images/s is the networks alone; {:.1} s in all\n", self.seconds)
    }
}

fn cells(row: &Contender) -> [String; 10] {
    let cv = |cv: Accuracy| {
        let [low, high] = cv.ci95;
        format!("{:.3} ({low:.3} to {high:.3})", cv.accuracy)
    };
    let number = |number: Option<usize>| number.map(|number| number.to_string()).unwrap_or_default();
    [
        row.name.clone(),
        row.cv.map_or_else(|| "none".to_owned(), cv),
        if row.tie { "=" } else { "" }.to_owned(),
        row.test.map(|test| format!("{:.3}", test.accuracy)).unwrap_or_default(),
        number(row.features),
        number(row.parameters),
        row.weights_bytes.map(|bytes| format!("{:.1} MB", bytes as f64 / 1e6)).unwrap_or_default(),
        row.images_per_second.map(|rate| format!("{rate:.1}")).unwrap_or_default(),
        row.seconds.map(|seconds| format!("{seconds:.1}")).unwrap_or_default(),
        row.licence.clone(),
    ]
}

#[cfg(test)]
mod tests {
    use super::{super::tests::row, *};

    #[test]
    fn the_table_is_aligned_and_names_what_failed() {
        let mut tie = row("longer_name", 0.9, 0.1, 200);
        tie.tie = true;
        let error = Some("no weights".to_owned());
        let comparison = Comparison {
            backbones: vec![
                row("a", 0.95, 0.04, 7),
                tie,
                Contender { name: "b".to_owned(), error, ..Contender::default() },
            ],
            classes: vec![String::new(); 2],
            train_images: 9,
            test_images: Some(3),
            skipped: Vec::new(),
            ignored: 0,
            warnings: Vec::new(),
            seed: 0,
            seconds: 1.0,
        };
        let text = comparison.text();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("2 classes, 9 training images, 3 test"), "{text}");
        let at = |pattern: &str| lines.iter().position(|line| line.starts_with(pattern)).unwrap();
        let (first, second) = (lines[at("a ")], lines[at("longer_name")]);
        assert!(
            first.contains("0.950 (0.910 to 0.990)") && second.contains("0.900 (0.800 to 1.000)  ="),
            "{text}"
        );
        assert_eq!(first.find('('), second.find('('), "{text}");
        assert_eq!(lines[at("b: ")], "b: no weights");
        assert!(text.contains("= within the 95 % interval of the best"), "{text}");
    }
}
