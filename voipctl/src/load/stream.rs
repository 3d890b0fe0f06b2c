//! Cuts a YAML stream into its documents and remembers where each begins.
//!
//! `---` at the start of a line ends a document wherever it stands, in block scalars too (YAML 1.2.2, section
//! 9.1.2), so lines are enough and nothing needs to be parsed.

/// One document of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Document<'a> {
    /// Its text, without the marker.
    pub(super) text: &'a str,
    /// Line of the file on which `text` begins, counted from 1.
    pub(super) first_line: usize,
}

/// The documents of `stream` that hold more than comments and blank lines.
pub(super) fn documents(stream: &str) -> Vec<Document<'_>> {
    let stream = stream.strip_prefix('\u{feff}').unwrap_or(stream);
    let mut documents = Vec::new();
    let (mut start, mut first_line) = (0, 1);
    let mut offset = 0;
    for (index, line) in stream.split_inclusive('\n').enumerate() {
        let next = offset + line.len();
        if is_marker(line, "---") {
            documents.push(Document { text: &stream[start..offset], first_line });
            // What follows the marker on its line belongs to the document.
            (start, first_line) = (offset + 3, index + 1);
        } else if is_marker(line, "...") {
            documents.push(Document { text: &stream[start..offset], first_line });
            (start, first_line) = (next, index + 2);
        }
        offset = next;
    }
    documents.push(Document { text: &stream[start..], first_line });
    documents.retain(|document| !is_blank(document.text));
    documents
}

fn is_marker(line: &str, marker: &str) -> bool {
    line.strip_prefix(marker).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\n', '\r']))
}

fn is_blank(text: &str) -> bool {
    text.lines().map(str::trim_start).all(|line| line.is_empty() || line.starts_with(['#', '%']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(stream: &str) -> Vec<(&str, usize)> {
        documents(stream).into_iter().map(|d| (d.text.trim(), d.first_line)).collect()
    }

    #[test]
    fn documents_know_their_first_line() {
        assert_eq!(cut("a: 1\n---\nb: 2\n---\nc: 3\n"), [("a: 1", 1), ("b: 2", 2), ("c: 3", 4)]);
    }

    #[test]
    fn empty_documents_and_comments_are_passed_over() {
        assert_eq!(cut("# head\n---\n# only this\n---\n\n---\na: 1\n...\n# tail\n"), [("a: 1", 6)]);
        assert_eq!(cut(""), []);
    }

    #[test]
    fn only_a_marker_at_the_line_start_separates() {
        assert_eq!(cut("a: |\n  ---\n  x\nb: ---x\n----\n"), [("a: |\n  ---\n  x\nb: ---x\n----", 1)]);
        assert_eq!(cut("--- {a: 1}\r\n---\r\nb: 2"), [("{a: 1}", 1), ("b: 2", 2)]);
    }
}
