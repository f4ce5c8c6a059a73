//! Columns that stand below one another.

/// One line a row; the first `left` columns are aligned to the left, the others to the right.
pub(super) fn aligned<const N: usize>(rows: impl Iterator<Item = [String; N]>, left: usize) -> String {
    let rows: Vec<[String; N]> = rows.collect();
    let widths: [usize; N] = std::array::from_fn(|column| {
        rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default()
    });
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(widths).enumerate();
        let cells =
            cells.map(
                |(column, (cell, width))| {
                    if column < left { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
                },
            );
        text += cells.collect::<Vec<_>>().join("  ").trim_end();
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["a", "b"], ["long", "10"], ["c", ""]].map(|row| row.map(str::to_owned));
        assert_eq!(aligned(rows.into_iter(), 1), "a      b\nlong  10\nc\n");
    }
}
