//! One mistake in a topology file, and how it is shown.
//!
//! ```text
//! error: unknown field `regoin`
//!   at topology.yaml:9:5  sites[0].regoin
//!    |
//!  9 |     regoin: eu-west-1
//!    |     ^^^^^^
//! hint: did you mean `region`?
//! ```

use std::fmt;

/// Where something stands in a file. Lines and columns count from one, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FilePosition {
    pub line: usize,
    /// The first character.
    pub column: usize,
    /// How many characters it has on that line.
    pub width: usize,
}

/// One mistake: what, where, what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// What is wrong, without a full stop.
    pub message: String,
    /// The file's name as the user gave it.
    pub file: String,
    pub position: FilePosition,
    /// The field, such as `sites[1].infinispan`; empty for the file as a whole.
    pub path: String,
    /// The line it stands on.
    pub snippet: String,
    pub hint: Option<String>,
}

/// Lines longer than this are shown in part, around the mistake.
const SNIPPET_CHARACTERS: usize = 100;

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FilePosition { line, column, width } = self.position;
        writeln!(f, "error: {}", self.message)?;
        let file: String = self.file.chars().map(harmless_character).collect();
        write!(f, "  at {file}:{line}:{column}")?;
        if !self.path.is_empty() {
            write!(f, "  {}", self.path)?;
        }
        writeln!(f)?;
        if !self.snippet.is_empty() {
            let (shown, caret) = excerpt(&self.snippet, column);
            let carets = width.clamp(1, shown.chars().count().saturating_sub(caret).max(1));
            let number = line.to_string();
            let margin = " ".repeat(number.len());
            writeln!(f, " {margin} |")?;
            writeln!(f, " {number} | {shown}")?;
            writeln!(f, " {margin} | {}{}", " ".repeat(caret), "^".repeat(carets))?;
        }
        if let Some(hint) = &self.hint {
            writeln!(f, "hint: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostic {}

impl Diagnostic {
    pub fn as_json(&self) -> serde_json::Value {
        serde_json::json!({
            "message": self.message,
            "path": self.path,
            "line": self.position.line,
            "column": self.position.column,
            "snippet": self.snippet,
            "hint": self.hint,
        })
    }
}

/// What to show of a line, and where in it the mistake begins. Control characters, which a terminal would
/// obey, are shown as a replacement character.
fn excerpt(line: &str, column: usize) -> (String, usize) {
    let characters: Vec<char> = line
        .chars()
        .map(|c| match c {
            '\t' => ' ',
            c => harmless_character(c),
        })
        .collect();
    let caret = column.saturating_sub(1).min(characters.len());
    if characters.len() <= SNIPPET_CHARACTERS {
        return (characters.into_iter().collect(), caret);
    }
    let start = caret.saturating_sub(SNIPPET_CHARACTERS / 2);
    let end = (start + SNIPPET_CHARACTERS).min(characters.len());
    let mut shown: String = characters[start..end].iter().collect();
    let mut caret = caret - start;
    if start > 0 {
        shown.insert(0, '…');
        caret += 1;
    }
    if end < characters.len() {
        shown.push('…');
    }
    (shown, caret)
}

/// A text of somebody else's, as it can be shown on a terminal and stand on one line of a file: at most so many
/// characters, none that a terminal would obey.
pub fn harmless(text: &str, most: usize) -> String {
    let mut shown: String = text.chars().take(most).map(harmless_character).collect();
    if text.chars().nth(most).is_some() {
        shown.push('…');
    }
    shown
}

fn harmless_character(c: char) -> char {
    if c.is_control() || is_line_end(c) || is_bidirectional_control(c) {
        '\u{fffd}'
    } else {
        c
    }
}

/// Characters that end a line to some readers of YAML, and are no control characters.
fn is_line_end(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}')
}

/// Characters that reorder what a terminal shows, so that a line reads differently from what it says.
fn is_bidirectional_control(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diagnostic(snippet: &str, column: usize, width: usize) -> Diagnostic {
        Diagnostic {
            message: "unknown field `regoin`".into(),
            file: "topology.yaml".into(),
            position: FilePosition {
                line: 9,
                column,
                width,
            },
            path: "sites[0].regoin".into(),
            snippet: snippet.into(),
            hint: Some("did you mean `region`?".into()),
        }
    }

    #[test]
    fn a_mistake_is_shown_where_it_stands() {
        assert_eq!(
            diagnostic("    regoin: eu-west-1", 5, 6).to_string(),
            "error: unknown field `regoin`\n  at topology.yaml:9:5  sites[0].regoin\n   |\n 9 |     regoin: eu-west-1\n   |     ^^^^^^\nhint: did you mean `region`?\n"
        );
    }

    #[test]
    fn a_long_line_is_cut_around_the_mistake() {
        let line = format!("{}HERE{}", "a".repeat(300), "b".repeat(300));
        let text = diagnostic(&line, 301, 4).to_string();
        let lines: Vec<&str> = text.lines().collect();
        let column = lines[4].find('^').unwrap_or_default();
        let shown: Vec<char> = lines[3].chars().collect();
        assert_eq!(shown[column..column + 4].iter().collect::<String>(), "HERE");
        assert!(shown.len() < 120, "{text}");
    }

    #[test]
    fn nothing_reaches_the_terminal_that_it_would_obey() {
        let text = diagnostic("name: \u{1b}[31mred\u{202e}", 7, 400).to_string();
        assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text:?}");
    }
}
