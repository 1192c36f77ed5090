//! Shows where in a text something is: the line, and the part of it that is meant underlined.

use std::cell::Cell;
use std::ops::Range;

use crate::terminal::{Ink, Paint};

/// A text, and where its lines begin: found once, for any number of findings.
pub(crate) struct Source<'t> {
    text: &'t str,
    lines: Vec<usize>,
    /// The last place asked for, and its position: findings come in the order of
    /// the text, and a definition without line breaks is one very long line.
    last: Cell<(usize, Position)>,
}

/// Line and column, both from 1, the column in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl<'t> Source<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        let last = Cell::new((0, Position { line: 1, column: 1 }));
        Self { text, lines: std::iter::once(0).chain(ends).collect(), last }
    }

    pub(crate) fn position(&self, at: usize) -> Position {
        let line = self.lines.partition_point(|start| *start <= at).max(1);
        let (known_at, known) = self.last.get();
        let goes_on = known.line == line && known_at <= at;
        let (from, column) = if goes_on { (known_at, known.column) } else { (self.start_of(line), 1) };
        let column = column + self.text.get(from..at).map_or(0, |between| between.chars().count());
        let position = Position { line, column };
        self.last.set((at, position));
        position
    }

    fn start_of(&self, line: usize) -> usize {
        self.lines.get(line - 1).copied().unwrap_or(self.text.len())
    }

    fn line(&self, line: usize) -> &'t str {
        let end = self.lines.get(line).copied().unwrap_or(self.text.len());
        self.text.get(self.start_of(line)..end).unwrap_or_default().trim_end_matches(['\n', '\r'])
    }

    /// The first line of the span with the span underlined, at most `width`
    /// characters of it. What could steer a terminal is shown as `·`.
    pub(crate) fn excerpt(&self, span: &Range<usize>, width: usize, paint: Paint) -> Excerpt {
        let Position { line, column } = self.position(span.start);
        let whole = self.line(line);
        let (before, after) = whole.split_at_checked(span.start - self.start_of(line)).unwrap_or((whole, ""));
        // A definition without line breaks is one long line: the part around the finding is shown.
        let is_long = whole.chars().nth(width).is_some();
        let blanks = if is_long { (column - 1).min(width / 3) } else { column - 1 };
        let mut shown: Vec<char> = before.chars().rev().take(blanks).collect();
        shown.reverse();
        let room = if is_long { width - blanks } else { usize::MAX };
        shown.extend(after.chars().take(room));
        let left = if column - 1 > blanks { "…" } else { "" };
        let right = if after.chars().nth(room).is_some() { "…" } else { "" };
        let shown: String = shown.into_iter().map(printable).collect();
        let length = self.text.get(span.clone()).map_or(0, |meant| {
            meant.lines().next().map_or(0, |first| first.trim_end().chars().take(room).count())
        });
        let marks = length.clamp(1, after.chars().take(room).count().max(1));
        let blanks = " ".repeat(blanks + left.chars().count());
        Excerpt {
            line,
            text: format!("{left}{}{right}", shown.trim_end()),
            underline: format!("{blanks}{}", paint.ink(Ink::Bad, &"^".repeat(marks))),
        }
    }
}

/// One line of a text and what stands below it.
pub(crate) struct Excerpt {
    pub(crate) line: usize,
    pub(crate) text: String,
    pub(crate) underline: String,
}

/// One character for one, so that what stands below stays in its place.
fn printable(character: char) -> char {
    match character {
        '\t' => ' ',
        c if c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') => '·',
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Paint = Paint { colored: false };

    fn shown(text: &str, span: Range<usize>, width: usize) -> (usize, String, String) {
        let excerpt = Source::new(text).excerpt(&span, width, PLAIN);
        (excerpt.line, excerpt.text, excerpt.underline)
    }

    #[test]
    fn the_line_is_shown_and_the_part_underlined() {
        assert_eq!(shown("a\nbcd e\nf", 3..5, 80), (2, "bcd e".into(), " ^^".into()));
        assert_eq!(shown("é\u{1b}[x", 3..4, 80), (1, "é·[x".into(), "  ^".into()));
        assert_eq!(shown("{\n  a", 0..5, 80), (1, "{".into(), "^".into()), "only the first line");
        assert_eq!(shown("ab", 2..2, 80), (1, "ab".into(), "  ^".into()), "the end");
        assert_eq!(shown("", 0..0, 80), (1, String::new(), "^".into()));
        assert_eq!(shown("a\r\nb", 3..4, 80), (2, "b".into(), "^".into()));
    }

    #[test]
    fn long_lines_are_cut_around_the_finding() {
        let text = format!("{}HERE{}", "a".repeat(1_000), "b".repeat(1_000));
        let (line, shown, underline) = shown(&text, 1_000..1_004, 12);
        assert_eq!((line, shown.as_str(), underline.as_str()), (1, "…aaaaHEREbbbb…", "     ^^^^"));
        assert_eq!(Source::new(&text).position(1_000), Position { line: 1, column: 1_001 });
    }
}
