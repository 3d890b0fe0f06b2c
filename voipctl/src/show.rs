//! How results look: aligned columns for people, JSON for machines.

use std::io::Write;

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

/// Columns under upper-case heads, two spaces apart, no lines. Columns of numbers are aligned to the right.
pub(crate) fn table(heads: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let rows: Vec<Vec<String>> = rows.into_iter().collect();
    let mut grid = Table::new();
    grid.load_style(presets::NOTHING).set_header(heads);
    for (index, column) in grid.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        let numbers = rows.iter().filter_map(|row| row.get(index));
        if !rows.is_empty() && numbers.into_iter().all(|cell| cell.parse::<f64>().is_ok()) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    grid.add_rows(rows);
    let mut text = String::new();
    for line in grid.to_string().lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// `value` as one JSON document, for people who read it too.
pub(crate) fn json(value: &impl Serialize) -> String {
    let mut json = serde_json::to_string_pretty(value).unwrap_or_default();
    json.push('\n');
    json
}

/// Lines of at most 80 columns, the first after `mark`, the others under it. A word that is longer stays whole.
pub(crate) fn wrapped(mark: &str, text: &str) -> String {
    let indent = " ".repeat(mark.len());
    let mut lines = vec![mark.to_owned()];
    let mut width = mark.chars().count();
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if width > mark.len() && width + length > 80 {
            lines.push(indent.clone());
            width = indent.len();
        }
        if let Some(line) = lines.last_mut() {
            line.push_str(word);
            line.push(' ');
        }
        width += length + 1;
    }
    let trimmed: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
    trimmed.join("\n") + "\n"
}

/// `40s`, `5m`, `7h`, `3d`
pub(crate) fn age(seconds: i64) -> String {
    match seconds.max(0) {
        seconds @ ..120 => format!("{seconds}s"),
        seconds @ ..7_200 => format!("{}m", seconds / 60),
        seconds @ ..172_800 => format!("{}h", seconds / 3_600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

/// `1 call`, `2 calls`.
pub(crate) fn count(number: u32, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// Writes `text` to standard output. Whoever has stopped reading there (`| head`) wants no complaint.
pub(crate) fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Writes `text` as a line to standard error.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_wrapped_under_its_mark() {
        let text = wrapped("- ", &"word ".repeat(20));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert!(lines.iter().all(|line| line.len() <= 80 && !line.ends_with(' ')));
        assert!(lines[0].starts_with("- word") && lines[1].starts_with("  word"));
        let long = "x".repeat(100);
        assert_eq!(wrapped("", &format!("a {long}")), format!("a\n{long}\n"));
    }

    #[test]
    fn ages_are_short() {
        let ages = [-5, 0, 119, 120, 7_200, 172_800].map(age);
        assert_eq!(ages, ["0s", "0s", "119s", "2m", "2h", "2d"]);
    }

    #[test]
    fn one_is_singular() {
        assert_eq!([0, 1, 2].map(|n| count(n, "call")), ["0 calls", "1 call", "2 calls"]);
    }

    #[test]
    fn columns_are_aligned_and_lines_have_no_tail() {
        let rows = [vec!["default-0".to_owned(), "7".to_owned()], vec!["b".to_owned(), "250".to_owned()]];
        let text = table(&["NAME", "CALLS"], rows);
        assert_eq!(text, "NAME       CALLS\ndefault-0      7\nb            250\n");
    }
}
