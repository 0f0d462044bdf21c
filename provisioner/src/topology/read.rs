//! Reading a topology file: every mistake in one run, each with its place and what to do.

use std::path::Path as FsPath;
use std::sync::LazyLock;

use garde::Validate;

use super::bundles::{self, CaBundle, ReadFile};
use super::checks::{self, Clash};
use super::decode::{Decoded, What, decode};
use super::diagnostic::{Diagnostic, FilePosition};
use super::withheld::Withheld;
use super::{Interval, Topology, schema};
use crate::yaml::{self, Node, Path, PathSegment, Span, Value};

/// A topology has some forty lines; a file larger than this is another file.
const MOST_BYTES: usize = 1024 * 1024;

/// Known to be right, and complete in what is required: the stand-in for what a file lacks.
static DONOR: LazyLock<Option<Node>> =
    LazyLock::new(|| yaml::tree(include_str!("../../../examples/minimal.yaml")).0);

/// A topology with the files it names.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    pub topology: Topology,
    /// The CA bundles of the sites that have one.
    pub ca_bundles: Vec<CaBundle>,
}

/// Reads a topology. `file` is its name, for messages. The files it names are not looked at; [`load`] does.
pub fn parse(bytes: &[u8], file: &str) -> Result<Topology, Vec<Diagnostic>> {
    examine(bytes, file, None).map(|loaded| loaded.topology)
}

/// Reads a topology and the files it names, relative to the folder it lies in.
pub fn load(bytes: &[u8], file: &str, read_file: ReadFile<'_>) -> Result<Loaded, Vec<Diagnostic>> {
    examine(bytes, file, Some(read_file))
}

fn examine(bytes: &[u8], file: &str, read_file: Option<ReadFile<'_>>) -> Result<Loaded, Vec<Diagnostic>> {
    let text = readable(bytes, file).map_err(|diagnostic| vec![*diagnostic])?;
    let mut report = Report {
        file,
        text,
        root: None,
        found: Vec::new(),
    };
    let (root, faults) = yaml::tree(text);
    let slipped: Vec<usize> = faults
        .iter()
        .filter(|fault| fault.path == Path::root())
        .map(|fault| fault.span.start.0)
        .collect();
    let mut spoiled: Vec<Path> = Vec::new();
    for fault in faults {
        if fault.spoils {
            spoiled.push(fault.path.clone());
        }
        report.tell(Span { ..fault.span }, &fault.path, fault.message, fault.hint);
    }
    let Some(root) = root.filter(|root| !root.is_null()) else {
        if report.found.is_empty() {
            let hint = "examples/ has topologies to start from: copy one".to_owned();
            report.tell(
                Span::default(),
                &Path::root(),
                "the file is empty".to_owned(),
                Some(hint),
            );
        }
        return Err(report.finish());
    };
    report.root = Some(&root);
    // The donor is one of our own examples; without it only the first mistake of each kind would be reported.
    let donor = DONOR.as_ref().unwrap_or(&root);
    let Decoded {
        value,
        mistakes,
        spoiled: replaced,
    } = decode::<Topology>(root.clone(), donor);
    spoiled.extend(replaced);
    for mistake in mistakes {
        // What is under an alias or a repeated key was reported already; what stands in a line with a slip
        // follows from the slip.
        let line = report.place(&mistake.path, mistake.is_key).start.0;
        if report.has_told(&mistake.path) || slipped.contains(&line) {
            continue;
        }
        let described = || schema::description(&mistake.path);
        let hint = match &mistake.what {
            What::Missing { field } => described().map(|text| format!("add `{field}`: {text}")),
            _ => mistake.hint().or_else(described),
        };
        let span = report.place(&mistake.path, mistake.is_key);
        report.tell(span, &mistake.path, mistake.message(), hint);
    }
    let Some(mut topology) = value else {
        return Err(report.finish());
    };
    // A file from before there were suspicions may have a timeout that leaves no room for one. It goes on as it did.
    if root.at(&Path::of("alerting.suspicion")).is_none() && !checks::has_time_to_look(&topology) {
        topology.alerting.suspicion = Interval::from_seconds(0);
    }

    let mut complaints = out_of_range(&topology);
    complaints.extend(checks::complaints(&topology));
    let mut ca_bundles = Vec::new();
    if let Some(read_file) = read_file {
        let folder = FsPath::new(file).parent().unwrap_or(FsPath::new(""));
        let (bundles, wrong) = bundles::read(&topology, folder, read_file);
        ca_bundles = bundles;
        complaints.extend(wrong);
    }
    for complaint in complaints {
        let rests_on_a_stand_in = complaint.rests_on.iter().chain([&complaint.at]).any(|path| {
            spoiled
                .iter()
                .any(|spoiled| *spoiled != Path::root() && spoiled.touches(path))
        });
        if !rests_on_a_stand_in {
            let at = report.written(&complaint);
            let span = report.place(&at, false);
            report.tell(span, &at, complaint.message, Some(complaint.hint));
        }
    }
    if report.found.is_empty() {
        Ok(Loaded { topology, ca_bundles })
    } else {
        Err(report.finish())
    }
}

fn readable<'a>(bytes: &'a [u8], file: &str) -> Result<&'a str, Box<Diagnostic>> {
    let refuse = |message: String, position: FilePosition, hint: &str| {
        Box::new(Diagnostic {
            message,
            file: file.to_owned(),
            position,
            path: String::new(),
            snippet: String::new(),
            hint: Some(hint.to_owned()),
        })
    };
    let start = FilePosition {
        line: 1,
        column: 1,
        width: 1,
    };
    if bytes.len() > MOST_BYTES {
        let message = format!("the file has {} bytes; the limit is {MOST_BYTES}", bytes.len());
        return Err(refuse(message, start, "is it the topology file?"));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let line_start = before
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        let column = String::from_utf8_lossy(before.get(line_start..).unwrap_or_default())
            .chars()
            .count()
            + 1;
        refuse(
            "the file is not UTF-8".to_owned(),
            FilePosition {
                line,
                column,
                width: 1,
            },
            "save it as UTF-8",
        )
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// What `garde` finds: numbers and lengths out of range.
fn out_of_range(topology: &Topology) -> Vec<Clash> {
    let Err(report) = topology.validate() else {
        return Vec::new();
    };
    report
        .iter()
        .map(|(path, error)| {
            let at = as_written(&Path::of(&path.to_string()));
            let message = match at.segments().last() {
                Some(PathSegment::Key(key))
                    if ["lower", "greater", "length"]
                        .iter()
                        .any(|w| error.message().starts_with(w)) =>
                {
                    // garde's "lower than 1", "greater than 5", "length is lower than 1".
                    match error.message().strip_prefix("length is ") {
                        Some("lower than 1") => format!("`{key}` is empty"),
                        Some(rest) => match rest.strip_prefix("greater than ") {
                            Some(most) => format!("`{key}` has more than {most} entries"),
                            None => format!("`{key}` has a length {rest}"),
                        },
                        None => format!("`{key}` is {}", error.message()),
                    }
                }
                _ => error.message().to_owned(),
            };
            Clash {
                hint: schema::description(&at).unwrap_or_default(),
                message,
                at,
                rests_on: Vec::new(),
            }
        })
        .collect()
}

/// A path of Rust's field names as the file writes it.
fn as_written(path: &Path) -> Path {
    path.segments()
        .iter()
        .fold(Path::root(), |path, segment| match segment {
            PathSegment::Index(index) => path.index(*index),
            PathSegment::Key(key) => match key.as_str() {
                "pending" => path.key("for"),
                "memory_mib" => path.key("memory"),
                snake => path.key(&camel_case(snake)),
            },
        })
}

fn camel_case(snake: &str) -> String {
    let mut words = snake.split('_');
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}

/// The mistakes found so far.
struct Report<'a> {
    file: &'a str,
    text: &'a str,
    root: Option<&'a Node>,
    found: Vec<Diagnostic>,
}

impl Report<'_> {
    /// Where to point for `path`: at a value if it is short, else at its key; for what is missing, at what
    /// should have it.
    fn place(&self, path: &Path, is_key: bool) -> Span {
        let Some(root) = self.root else {
            return Span::default();
        };
        let mut path = path.clone();
        let mut is_exact = true;
        loop {
            if let Some(node) = root.at(&path) {
                return match (&node.value, node.key_span) {
                    (Value::Scalar { .. }, _) if is_exact && !is_key && !node.is_null() => node.span,
                    (_, Some(key_span)) => key_span,
                    // An item of a list has no key; its first field's is where a reader looks.
                    (Value::Mapping(entries), None) => entries
                        .first()
                        .and_then(|(_, first)| first.key_span)
                        .unwrap_or(node.span),
                    _ => node.span,
                };
            }
            is_exact = false;
            match path.parent() {
                Some(parent) => path = parent,
                None => return Span::default(),
            }
        }
    }

    /// Which of the fields that are at odds to point at: the first that stands in the file. A default is not
    /// to blame for what was written beside it.
    fn written(&self, complaint: &Clash) -> Path {
        let stands = |path: &Path| self.root.is_some_and(|root| root.at(path).is_some());
        let fields = std::iter::once(&complaint.at).chain(&complaint.rests_on);
        fields
            .clone()
            .find(|path| stands(path))
            .unwrap_or(&complaint.at)
            .clone()
    }

    fn has_told(&self, path: &Path) -> bool {
        let path = path.to_string();
        !path.is_empty() && self.found.iter().any(|diagnostic| diagnostic.path == path)
    }

    fn tell(&mut self, span: Span, path: &Path, message: String, hint: Option<String>) {
        let (line, column) = (span.start.0.max(1), span.start.1.max(1));
        let snippet = yaml::lines(self.text).nth(line - 1).unwrap_or_default();
        let width = if span.end.0 == span.start.0 {
            span.end.1.saturating_sub(span.start.1)
        } else {
            snippet.trim_end().chars().count().saturating_sub(column - 1)
        };
        let key = path.segments().iter().rev().find_map(|segment| match segment {
            PathSegment::Key(key) => Some(key.as_str()),
            PathSegment::Index(_) => None,
        });
        let held = self.root.and_then(|root| match &root.at(path)?.value {
            Value::Scalar { text, .. } => Some(text.as_str()),
            _ => None,
        });
        let (snippet, message, hint) = match Withheld::of(snippet, key, held) {
            Some(withheld) => (
                withheld.line.clone(),
                withheld.message(&message),
                Some(withheld.hint(hint)),
            ),
            None => (snippet.to_owned(), message, hint),
        };
        let diagnostic = Diagnostic {
            message: yaml::quoting_shortly(&message),
            file: self.file.to_owned(),
            position: FilePosition {
                line,
                column,
                width: width.max(1),
            },
            path: path.to_string(),
            snippet,
            hint: hint
                .filter(|hint| !hint.is_empty())
                .map(|hint| yaml::quoting_shortly(&hint)),
        };
        if !self.found.contains(&diagnostic) {
            self.found.push(diagnostic);
        }
    }

    /// All that was found, in the file's order.
    fn finish(mut self) -> Vec<Diagnostic> {
        self.found
            .sort_by(|a, b| (a.position, &a.path).cmp(&(b.position, &b.path)));
        self.found
    }
}
