//! The words and numbers that charts are labelled with.

use super::{Rng, draws::Draws};

/// A heading such as "Sales by region, 2014".
pub fn title(rng: &mut Rng) -> String {
    let (measure, dimension) = (*rng.pick(MEASURES), *rng.pick(DIMENSIONS));
    let year = rng.count(1995, 2024);
    match rng.below(6) {
        0 => measure.to_string(),
        1 => format!("{measure} {year}"),
        2 => format!("{measure} by {dimension}"),
        3 => format!("{measure} by {dimension}, {year}"),
        4 => format!("{dimension} overview: {measure}").to_uppercase(),
        _ => format!("{measure} per {dimension}"),
    }
}

/// A name for what an axis measures.
pub fn measure(rng: &mut Rng) -> String {
    let unit = *rng.pick(&["", "", " (%)", " [thousand]", " (USD)", " in mm", " (kg)"]);
    format!("{}{unit}", rng.pick(MEASURES))
}

/// A line of small print.
pub fn caption(rng: &mut Rng) -> String {
    let source =
        *rng.pick(&["National survey", "Annual report", "Own calculation", "City archive", "Open data"]);
    match rng.below(3) {
        0 => format!("Source: {source} {}", rng.count(1995, 2024)),
        1 => format!("Figure {}.{} - {source}", rng.count(1, 9), rng.count(1, 20)),
        _ => format!("* {source}, n = {}", rng.count(40, 9000)),
    }
}

/// A sentence fragment, as body text around a figure.
pub fn prose(rng: &mut Rng) -> String {
    let mut words: Vec<&str> = (0..rng.count(7, 14)).map(|_| *rng.pick(PROSE)).collect();
    words.insert(rng.below(words.len()), *rng.pick(DIMENSIONS));
    words.join(" ")
}

/// `count` different names of one kind, such as months or countries.
pub fn names(rng: &mut Rng, count: usize) -> Vec<String> {
    let kind = *rng.pick(KINDS);
    match rng.below(8) {
        0 => (0..count).map(|i| format!("Item {}", i + 1)).collect(),
        1 => (b'A'..).take(count).map(|letter| char::from(letter).to_string()).collect(),
        2 => {
            let first = rng.count(1990, 2010);
            (first..first + count).map(|year| year.to_string()).collect()
        }
        _ if kind.len() < count => (0..count).map(|i| format!("Group {}", i + 1)).collect(),
        _ => {
            let first = rng.below(kind.len());
            (first..first + count).map(|i| kind[i % kind.len()].to_string()).collect()
        }
    }
}

/// A number as people write it on charts: few digits, thousands abbreviated.
pub fn number(value: f32) -> String {
    match value.abs() {
        size if size >= 1e6 => format!("{:.1}M", value / 1e6),
        size if size >= 1e4 => format!("{:.0}k", value / 1e3),
        size if size >= 20.0 || value.fract() == 0.0 => format!("{value:.0}"),
        size if size >= 1.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

const MEASURES: &[&str] = &[
    "Sales",
    "Revenue",
    "Visitors",
    "Rainfall",
    "Exports",
    "Population",
    "Satisfaction",
    "Market share",
    "Orders",
    "Energy use",
    "Downloads",
    "Budget",
    "Production",
    "Test scores",
    "Emissions",
    "Response time",
    "Turnover",
    "Traffic",
    "Life expectancy",
    "Unemployment",
    "Profit margin",
    "Crop yield",
    "Web requests",
    "Cost",
];

const DIMENSIONS: &[&str] = &[
    "region",
    "product",
    "department",
    "month",
    "country",
    "age group",
    "channel",
    "browser",
    "team",
    "quarter",
    "industry",
    "language",
    "household",
    "store",
    "species",
    "category",
];

const KINDS: &[&[&str]] = &[
    &["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"],
    &[
        "Germany", "France", "Italy", "Spain", "Poland", "Sweden", "Norway", "Greece", "Austria", "Portugal",
        "Ireland",
    ],
    &["China", "India", "Brazil", "Japan", "Mexico", "Egypt", "Kenya", "Canada", "Peru", "Vietnam", "Chile"],
    &["Apples", "Bananas", "Cherries", "Grapes", "Lemons", "Oranges", "Pears", "Plums", "Kiwis", "Melons"],
    &["Marketing", "Research", "Sales", "Support", "Finance", "Legal", "Design", "Logistics", "Training"],
    &["Speed", "Comfort", "Safety", "Price", "Design", "Range", "Power", "Handling", "Service", "Space"],
    &["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"],
    &["North", "East", "South", "West", "Centre", "Islands"],
    &[
        "Rent",
        "Food",
        "Transport",
        "Health",
        "Leisure",
        "Clothing",
        "Savings",
        "Energy",
        "Insurance",
        "Other",
    ],
    &["Python", "Java", "Rust", "C++", "Go", "Swift", "Ruby", "Kotlin", "Scala", "Haskell", "Perl"],
    &["0-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "70-79", "80+"],
    &["Anna", "Ben", "Carla", "David", "Eva", "Felix", "Greta", "Hugo", "Ines", "Jonas", "Klara", "Leo"],
    &["Strongly agree", "Agree", "Neutral", "Disagree", "Strongly disagree"],
    &["Coal", "Gas", "Oil", "Wind", "Solar", "Hydro", "Nuclear", "Biomass"],
];

const PROSE: &[&str] = &[
    "the", "of", "and", "in", "figures", "rose", "fell", "sharply", "slightly", "compared", "with", "last",
    "year", "while", "most", "share", "remained", "stable", "across", "all", "growth", "is", "expected",
    "to", "continue",
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_as_many_as_asked_for_and_differ() {
        for seed in 0..100 {
            for count in [1, 5, 12, 20] {
                let names = names(&mut Rng::new(seed), count);
                let distinct: HashSet<_> = names.iter().collect();
                assert_eq!((names.len(), distinct.len()), (count, count), "seed {seed}: {names:?}");
            }
        }
    }

    #[test]
    fn numbers_are_short() {
        for (value, want) in
            [(2.5e6, "2.5M"), (12_000.0, "12k"), (150.4, "150"), (3.0, "3"), (3.25, "3.2"), (0.5, "0.50")]
        {
            assert_eq!(number(value), want, "{value}");
        }
    }
}
