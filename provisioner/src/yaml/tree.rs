//! Reading a file that people write, event by event, past every surprise of YAML.

use serde_yaml::granit_parser::{self, Event, Parser, ScalarStyle};

use super::{Node, Path, Span, Value, slips};

/// Something that makes a file no usable YAML, or uses YAML in a way we refuse.
#[derive(Debug, Clone, PartialEq)]
pub struct Slip {
    pub span: Span,
    pub path: Path,
    pub message: String,
    pub hint: Option<String>,
    /// Whether the value found there cannot be relied on.
    pub spoils: bool,
}

/// More than any topology needs, and few enough for every recursion over the nodes.
const MOST_NESTED: usize = 32;

/// Reads a document as far as it can be read. Without a root nothing more can be said about it.
pub fn tree(text: &str) -> (Option<Node>, Vec<Slip>) {
    let options = granit_parser::options! {
        emit_unresolved_aliases: true,
        emit_anchor_events: true,
        emit_comments: false,
        flow_nesting_limit: MOST_NESTED,
        block_nesting_limit: MOST_NESTED,
    };
    let mut builder = TreeBuilder {
        faults: slips::slips(text),
        ..TreeBuilder::default()
    };
    let has_slips = !builder.faults.is_empty();
    for next in Parser::new_from_str_with_options(text, options) {
        match next {
            Ok((event, span)) => builder.take(event, span),
            Err(error) => {
                // What was found in the text itself explains the parser's complaint better than it does.
                if !has_slips {
                    let marker = error.marker();
                    builder.faults.push(syntax_fault(
                        text,
                        (marker.line(), marker.col() + 1),
                        &error.info(),
                    ));
                }
                return (None, builder.faults);
            }
        }
    }
    (builder.root, builder.faults)
}

/// What a parser's complaint comes from, as far as that can be known.
fn syntax_fault(text: &str, at: (usize, usize), said: &str) -> Slip {
    let written = super::lines(text).nth(at.0.saturating_sub(1)).unwrap_or_default();
    if said.contains("nesting") || said.contains("recursion") {
        return fault_at(
            at,
            format!("nested more than {MOST_NESTED} levels deep"),
            "a topology has four levels: is a bracket or a brace left open?".to_owned(),
        );
    }
    if written.trim_start_matches(' ').starts_with('\t') {
        return fault_at(
            at,
            "a tab indents this line".to_owned(),
            "YAML indents with spaces, not with tabs".to_owned(),
        );
    }
    slips::cause(text, at.0).unwrap_or_else(|| {
        fault_at(
            at,
            format!("not YAML: {said}"),
            "check this line and the one before: indentation, a missing colon or space after it, an open quote or bracket".to_owned(),
        )
    })
}

fn fault_at(at: (usize, usize), message: String, hint: String) -> Slip {
    Slip {
        span: Span {
            start: at,
            end: (at.0, at.1 + 1),
        },
        path: Path::root(),
        message,
        hint: Some(hint),
        spoils: true,
    }
}

/// A collection that is being read.
struct OpenNode {
    node: Node,
    /// The key whose value comes next, with its place; `None` while a key is expected.
    key: Option<(String, Span)>,
    /// What follows under a refused key is read and dropped.
    dropped: bool,
}

#[derive(Default)]
struct TreeBuilder {
    root: Option<Node>,
    open: Vec<OpenNode>,
    faults: Vec<Slip>,
    documents: usize,
    /// How deep we are in a key that is a collection.
    complex_key_depth: usize,
}

impl TreeBuilder {
    fn take(&mut self, event: Event<'_>, span: granit_parser::Span) {
        // All but the first document is read for its syntax only.
        if self.documents > 1 && !matches!(event, Event::DocumentStart(..)) {
            return;
        }
        let tagged = span.tag_span().map(Span::from);
        let span = Span::from(span);
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents == 2 {
                    self.refuse(
                        span,
                        Path::root(),
                        "a second document begins here",
                        "keep one topology in each file",
                        true,
                    );
                }
            }
            Event::Scalar(text, style, _, tag) => {
                self.refuse_tag(tag.is_some(), tagged, span);
                let plain = style == ScalarStyle::Plain;
                self.scalar(text.into_owned(), plain, span);
            }
            Event::SequenceStart(_, _, tag) => {
                self.refuse_tag(tag.is_some(), tagged, span);
                self.begin(Value::Sequence(Vec::new()), span);
            }
            Event::MappingStart(_, _, tag) => {
                self.refuse_tag(tag.is_some(), tagged, span);
                self.begin(Value::Mapping(Vec::new()), span);
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(span),
            Event::Anchor(_, name) => {
                let path = self.last_path();
                self.refuse(
                    span,
                    path,
                    &format!("an anchor (`&{name}`) is not allowed here"),
                    "write the value where it is used",
                    false,
                );
            }
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                let path = self.next_path();
                self.refuse(
                    span,
                    path,
                    "an alias (`*…`) is not allowed here",
                    "write the value itself",
                    true,
                );
                self.scalar(String::new(), true, span);
            }
            Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            // Comments are switched off; an event of a later parser version adds no node.
            _ => {}
        }
    }

    fn refuse(&mut self, span: Span, path: Path, message: &str, hint: &str, spoils: bool) {
        self.faults.push(Slip {
            span,
            path,
            message: message.to_owned(),
            hint: Some(hint.to_owned()),
            spoils,
        });
    }

    fn refuse_tag(&mut self, is_tagged: bool, tag: Option<Span>, node: Span) {
        if is_tagged {
            let path = self.next_path();
            self.refuse(
                tag.unwrap_or(node),
                path,
                "a tag (`!…`) is not allowed here",
                "remove it; put a text that looks like a number in quotes",
                false,
            );
        }
    }

    /// The path of the node that comes next.
    fn next_path(&self) -> Path {
        match self.open.last() {
            None => Path::root(),
            Some(open) => match (&open.node.value, &open.key) {
                (Value::Sequence(items), _) => open.node.path.index(items.len()),
                (_, Some((key, _))) => open.node.path.key(key),
                (_, None) => open.node.path.clone(),
            },
        }
    }

    /// The path of the node that came last.
    fn last_path(&self) -> Path {
        match self.open.last() {
            None => Path::root(),
            Some(open) => match &open.node.value {
                Value::Sequence(items) => items
                    .last()
                    .map_or_else(|| open.node.path.clone(), |n| n.path.clone()),
                Value::Mapping(entries) => entries
                    .last()
                    .map_or_else(|| open.node.path.clone(), |(_, n)| n.path.clone()),
                Value::Scalar { .. } => open.node.path.clone(),
            },
        }
    }

    fn expects_key(&self) -> bool {
        self.open
            .last()
            .is_some_and(|open| matches!(open.node.value, Value::Mapping(_)) && open.key.is_none())
    }

    fn scalar(&mut self, text: String, plain: bool, span: Span) {
        if self.complex_key_depth > 0 {
            return;
        }
        if self.expects_key() {
            self.key(text, plain, span);
            return;
        }
        let node = Node {
            path: self.next_path(),
            span,
            key_span: self.key_span(),
            value: Value::Scalar { text, plain },
        };
        self.place(node);
    }

    fn key(&mut self, text: String, plain: bool, span: Span) {
        let Some(path) = self.open.last().map(|open| open.node.path.clone()) else {
            return;
        };
        let mut dropped = false;
        if plain && text == "<<" {
            dropped = true;
            self.refuse(span, path, "a merge key (`<<`) is not allowed here", "write the values out", true);
        } else if self.open.last().is_some_and(|open| matches!(&open.node.value, Value::Mapping(entries) if entries.iter().any(|(key, _)| *key == text)))
        {
            dropped = true;
            let path = path.key(&text);
            self.refuse(span, path, &format!("`{text}` appears twice here"), "keep one of the two", true);
        }
        if let Some(open) = self.open.last_mut() {
            open.key = Some((text, span));
            open.dropped = dropped;
        }
    }

    fn key_span(&self) -> Option<Span> {
        self.open
            .last()
            .and_then(|open| open.key.as_ref())
            .map(|(_, span)| *span)
    }

    fn begin(&mut self, value: Value, span: Span) {
        if self.complex_key_depth > 0 {
            self.complex_key_depth += 1;
            return;
        }
        if self.expects_key() {
            self.complex_key_depth = 1;
            let path = self.next_path();
            self.refuse(span, path, "a key must be a text", "write `key: value`", true);
            return;
        }
        let node = Node {
            path: self.next_path(),
            span,
            key_span: self.key_span(),
            value,
        };
        self.open.push(OpenNode {
            node,
            key: None,
            dropped: false,
        });
    }

    fn end(&mut self, span: Span) {
        if self.complex_key_depth > 0 {
            self.complex_key_depth -= 1;
            if self.complex_key_depth == 0
                && let Some(open) = self.open.last_mut()
            {
                open.key = Some((String::new(), span));
                open.dropped = true;
            }
            return;
        }
        if let Some(mut open) = self.open.pop() {
            open.node.span.end = span.end;
            self.place(open.node);
        }
    }

    fn place(&mut self, node: Node) {
        match self.open.last_mut() {
            None => self.root = self.root.take().or(Some(node)),
            Some(open) => match &mut open.node.value {
                Value::Sequence(items) => items.push(node),
                Value::Mapping(entries) => {
                    if let Some((key, _)) = open.key.take()
                        && !open.dropped
                    {
                        entries.push((key, node));
                    }
                    open.dropped = false;
                }
                Value::Scalar { .. } => {}
            },
        }
    }
}
