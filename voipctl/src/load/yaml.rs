//! The only place that knows the YAML library: a document becomes a value, an error becomes a line and a sentence.
//!
//! Limits are far above what a cluster of 10,000 users needs and far below what an alias bomb wants.

use serde::de::DeserializeOwned;
use serde_saphyr::{
    Error, MessageFormatter, Options, UserMessageFormatter, alias_limits, budget, options,
    with_deserializer_from_str_with_options,
};

use super::stream::Document;

/// What is wrong with a document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Problem {
    /// It is no YAML, or not of the shape that is wanted.
    #[error("{0}")]
    Shape(String),
    /// A field that the kind does not have.
    #[error("unknown field `{field}`{}", nearest(field, expected))]
    UnknownField {
        /// As written.
        field: String,
        /// Those that there are.
        expected: Vec<&'static str>,
    },
    /// A value that is not in the list.
    #[error("`{value}` is not possible here: use {}", list(expected))]
    UnknownVariant {
        /// As written.
        value: String,
        /// Those that there are.
        expected: Vec<&'static str>,
    },
    /// A field that must be there.
    #[error("field `{0}` is missing: add it")]
    MissingField(&'static str),
    /// A number or boolean without quotes where a string is wanted; the API server would refuse it.
    #[error("{0} is read as a number or boolean, a string is wanted: write \"{0}\" in quotes")]
    Unquoted(String),
    /// A key that stands twice in one mapping.
    #[error("key `{0}` stands here twice: remove one")]
    DuplicateKey(String),
}

/// A [`Problem`] and its line in the file, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct YamlError {
    pub(super) line: usize,
    pub(super) problem: Problem,
}

/// Reads one document.
pub(super) fn parse<T: DeserializeOwned>(document: Document<'_>) -> Result<T, YamlError> {
    let mut path = String::new();
    let read = with_deserializer_from_str_with_options(document.text, limits(), |deserializer| {
        serde_path_to_error::deserialize(deserializer).map_err(|error| {
            path = error.path().to_string();
            error.into_inner()
        })
    });
    read.map_err(|error| {
        let error = error.without_snippet();
        let line = error.location().map_or(0, |l| usize::try_from(l.line()).unwrap_or(0));
        YamlError { line: document.first_line + line.saturating_sub(1), problem: problem(error, &path) }
    })
}

fn limits() -> Options {
    options! {
        budget: budget! {
            max_documents: 1,
            max_depth: 32,
            max_nodes: 100_000,
            max_aliases: 100,
            max_anchors: 100,
            max_total_scalar_bytes: 4 << 20,
        },
        alias_limits: alias_limits! {
            max_total_replayed_events: 100_000,
        },
        with_snippet: false,
        // What kubectl refuses is refused here too: a file must mean the same in both places.
        no_schema: true,
    }
}

fn problem(error: &Error, path: &str) -> Problem {
    match error {
        Error::SerdeUnknownField { field, expected, .. } => {
            Problem::UnknownField { field: field.clone(), expected: expected.clone() }
        }
        Error::SerdeUnknownVariant { variant, expected, .. } => {
            Problem::UnknownVariant { value: variant.clone(), expected: expected.clone() }
        }
        Error::SerdeMissingField { field, .. } => Problem::MissingField(field),
        Error::QuotingRequired { value, .. } => Problem::Unquoted(value.clone()),
        Error::DuplicateMappingKey { key: Some(key), .. } => Problem::DuplicateKey(key.clone()),
        _ => Problem::Shape(match known(path) {
            "" => shape(error),
            field => format!("{field}: {}", shape(error)),
        }),
    }
}

/// `path` up to where it was lost: a `?` stands for a key that was not read to its end.
fn known(path: &str) -> &str {
    path.split('?').next().unwrap_or_default().trim_end_matches('.')
}

/// What is wanted instead, in words of YAML rather than of Rust.
fn shape(error: &Error) -> String {
    match error {
        Error::ExpectedStringKeyForExternallyTaggedEnum { .. }
        | Error::ExternallyTaggedEnumExpectedScalarOrMapping { .. }
        | Error::ExpectedMappingEndAfterEnumVariantValue { .. } => {
            "exactly one key is wanted: give each its own list entry".to_owned()
        }
        Error::Unexpected { expected, .. } if expected.starts_with("mapping") => {
            "a mapping is wanted: lines of `key: value`".to_owned()
        }
        Error::InvalidScalar { ty, .. } if ty.starts_with('u') => {
            "a whole number is wanted, 0 or more".to_owned()
        }
        Error::InvalidScalar { ty, .. } if ty.starts_with('i') => "a whole number is wanted".to_owned(),
        Error::InvalidScalar { ty, .. } if *ty == "bool" => "true or false is wanted".to_owned(),
        _ => UserMessageFormatter.format_message(error).into_owned(),
    }
}

fn list(names: &[&str]) -> String {
    match names {
        [] => "nothing".to_owned(),
        [one] => (*one).to_owned(),
        [rest @ .., last] => format!("{} or {last}", rest.join(", ")),
    }
}

/// `: did you mean ...` for a slip of the pen, else what there is.
fn nearest(field: &str, expected: &[&str]) -> String {
    let closest = expected.iter().map(|name| (distance(field, name), name)).min();
    match closest {
        None => ": remove it, nothing belongs here".to_owned(),
        Some((distance, name)) if distance <= 2 => format!(": did you mean `{name}`?"),
        Some(_) => format!(": remove it, or use {}", list(expected)),
    }
}

/// Edits between two short names (Levenshtein), case aside.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.to_lowercase().chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let cost = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = cost.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    #[expect(dead_code, reason = "only its shape matters")]
    struct Shape {
        name: String,
        calls_per_node: Option<u32>,
        items: Option<Vec<String>>,
    }

    fn fail(text: &str) -> (usize, String) {
        let error = parse::<Shape>(Document { text, first_line: 11 }).unwrap_err();
        (error.line, error.problem.to_string())
    }

    #[test]
    fn errors_name_the_line_of_the_file_and_the_mend() {
        let cases = [
            ("name: a\ncallsPerNod: 5\n", 12, "unknown field `callsPerNod`: did you mean `callsPerNode`?"),
            (
                "name: a\n\nzzzzzzzzz: 5\n",
                13,
                "unknown field `zzzzzzzzz`: remove it, or use name, callsPerNode or items",
            ),
            (
                "name: 1001\n",
                11,
                "1001 is read as a number or boolean, a string is wanted: write \"1001\" in quotes",
            ),
            ("name: a\nname: b\n", 12, "key `name` stands here twice: remove one"),
            ("items: []\n", 11, "field `name` is missing: add it"),
            ("name: a\ncallsPerNode: many\n", 12, "callsPerNode: a whole number is wanted, 0 or more"),
            ("- name: a\n", 11, "a mapping is wanted: lines of `key: value`"),
        ];
        for (text, line, message) in cases {
            assert_eq!(fail(text), (line, message.to_owned()), "{text}");
        }
    }

    #[test]
    fn syntax_and_type_errors_have_a_line_and_no_second_position() {
        for (text, line) in [
            ("name: a\nitems: [a, b\n", 13),
            ("name: a\ncallsPerNode: many\n", 12),
            ("name: a\n\ttab: 1\n", 12),
            ("name: a\nitems: *nowhere\n", 12),
        ] {
            let (found, message) = fail(text);
            assert!(found == line || found + 1 == line, "{text}: line {found}: {message}");
            assert!(!message.is_empty() && !message.contains(" at line "), "{message}");
        }
    }

    #[test]
    fn an_alias_bomb_is_refused() {
        let mut text = String::from("name: a\nitems:\n- &a [x,x,x,x,x,x,x,x,x,x]\n");
        for (this, last) in ('b'..='j').zip('a'..) {
            let aliases = vec![format!("*{last}"); 10].join(",");
            text.extend(["- &", &this.to_string(), " [", &aliases, "]\n"]);
        }
        let error = parse::<serde_json::Value>(Document { text: &text, first_line: 1 }).unwrap_err();
        assert!(matches!(error.problem, Problem::Shape(_)), "{error:?}");
    }
}
