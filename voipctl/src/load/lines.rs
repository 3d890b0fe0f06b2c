//! Finds the line on which a field of a document stands.

use serde_saphyr::granit_parser::{Event, Parser};

use super::stream::Document;

/// The line in the file of the field at `path` (`spec.media.pools[0].nodes`), or of the nearest field above it that
/// is there: one that was left out is a matter of the place where it could be added.
pub(super) fn line_of(document: Document<'_>, path: &str) -> usize {
    let wanted = segments(path);
    let mut best = None;
    let mut walk = Walk::default();
    for next in Parser::new_from_str(document.text) {
        let Ok((event, span)) = next else { break };
        let Some(here) = walk.step(&event) else { continue };
        let common = here.iter().zip(&wanted).take_while(|(a, b)| a == b).count();
        if common == here.len() && best.is_none_or(|(depth, _)| common > depth) {
            best = Some((common, span.start.line()));
        }
    }
    document.first_line + best.map_or(0, |(_, line)| line.saturating_sub(1))
}

/// `pools[0].nodes` is `pools`, `0`, `nodes`.
fn segments(path: &str) -> Vec<String> {
    path.split(['.', '[', ']']).filter(|s| !s.is_empty()).map(str::to_owned).collect()
}

/// Where in the document the parser is.
#[derive(Default)]
struct Walk {
    open: Vec<Collection>,
}

enum Collection {
    Sequence(usize),
    Mapping { key: Option<String>, after_key: bool },
}

impl Walk {
    /// The path of the node or key that begins with `event`.
    fn step(&mut self, event: &Event<'_>) -> Option<Vec<String>> {
        match event {
            Event::Scalar(value, ..) => {
                let path = self.arrive(Some(value));
                self.leave();
                Some(path)
            }
            Event::Alias(_) => {
                let path = self.arrive(None);
                self.leave();
                Some(path)
            }
            Event::SequenceStart(..) => {
                let path = self.arrive(None);
                self.open.push(Collection::Sequence(0));
                Some(path)
            }
            Event::MappingStart(..) => {
                let path = self.arrive(None);
                self.open.push(Collection::Mapping { key: None, after_key: false });
                Some(path)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                self.open.pop();
                self.leave();
                None
            }
            _ => None,
        }
    }

    fn arrive(&mut self, scalar: Option<&str>) -> Vec<String> {
        if let Some(Collection::Mapping { key, after_key: false }) = self.open.last_mut() {
            *key = scalar.map(str::to_owned);
        }
        self.open
            .iter()
            .map(|collection| match collection {
                Collection::Sequence(index) => index.to_string(),
                Collection::Mapping { key, .. } => key.clone().unwrap_or_default(),
            })
            .collect()
    }

    fn leave(&mut self) {
        match self.open.last_mut() {
            Some(Collection::Sequence(index)) => *index += 1,
            Some(Collection::Mapping { after_key, .. }) => *after_key = !*after_key,
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "kind: VoipCluster\nspec:\n  domains: [a, b]\n  media:\n    # two\n    pools:\n    - name: x\n      nodes: 1\n    - {name: y,\n       nodes: 3}\n  state:\n    type: Memory\n";

    #[test]
    fn fields_are_found_through_mappings_and_lists() {
        let document = Document { text: TEXT, first_line: 101 };
        for (path, line) in [
            ("kind", 101),
            ("spec.domains[1]", 103),
            ("spec.media.pools[0].nodes", 108),
            ("spec.media.pools[1]", 109),
            ("spec.media.pools[1].nodes", 110),
            ("spec.state.type", 112),
        ] {
            assert_eq!(line_of(document, path), line, "{path}");
        }
    }

    #[test]
    fn a_field_left_out_is_at_its_parent() {
        let document = Document { text: TEXT, first_line: 1 };
        assert_eq!(line_of(document, "spec.media.pools[1].callsPerNode"), 9);
        assert_eq!(line_of(document, "spec.signaling.listeners[0].port"), 2);
        assert_eq!(line_of(document, "nothing"), 1);
    }
}
