//! A text with a position, as the dialect's parser reads it: blanks are only
//! spaces, and the end is the last character.

/// The text of a path or a filter.
#[derive(Debug)]
pub(super) struct Scanner {
    characters: Vec<char>,
    position: usize,
    /// One after the last character that counts.
    end: usize,
}

impl Scanner {
    pub(super) fn new(text: &str) -> Self {
        let characters: Vec<char> = text.chars().collect();
        let end = characters.len();
        let mut scanner = Self { characters, position: 0, end };
        scanner.trim();
        scanner
    }

    /// Leaves out the spaces at both ends.
    pub(super) fn trim(&mut self) {
        self.skip_blanks();
        while self.end > self.position && self.at(self.end - 1) == Some(' ') {
            self.end -= 1;
        }
    }

    pub(super) const fn position(&self) -> usize {
        self.position
    }

    pub(super) const fn end(&self) -> usize {
        self.end
    }

    pub(super) fn set_position(&mut self, position: usize) {
        self.position = position;
    }

    pub(super) fn advance(&mut self, by: usize) {
        self.position += by;
    }

    /// Leaves out the last character.
    pub(super) fn drop_last(&mut self) {
        self.end = self.end.saturating_sub(1);
    }

    pub(super) fn at(&self, index: usize) -> Option<char> {
        if index < self.end { self.characters.get(index).copied() } else { None }
    }

    pub(super) fn current(&self) -> Option<char> {
        self.at(self.position)
    }

    pub(super) fn current_is(&self, character: char) -> bool {
        self.current() == Some(character)
    }

    pub(super) fn last_is(&self, character: char) -> bool {
        self.end > 0 && self.at(self.end - 1) == Some(character)
    }

    pub(super) const fn in_bounds(&self) -> bool {
        self.position < self.end
    }

    /// The position is at the last character, or after it. What stands there
    /// alone is not read: `$.a[` is `$.a`.
    pub(super) const fn at_tail(&self) -> bool {
        self.position + 1 >= self.end
    }

    pub(super) fn skip_blanks(&mut self) -> &mut Self {
        while self.position + 1 < self.end && self.current_is(' ') {
            self.position += 1;
        }
        self
    }

    pub(super) fn text(&self, from: usize, to: usize) -> String {
        self.characters.get(from..to.min(self.end)).unwrap_or_default().iter().collect()
    }

    /// The whole text, without what was trimmed from its end.
    pub(super) fn whole(&self) -> String {
        self.text(0, self.end)
    }

    /// The index of the first character after `index` that is not a space.
    pub(super) fn significant_after(&self, index: usize) -> Option<usize> {
        (index + 1..self.end).find(|&next| self.at(next) != Some(' '))
    }

    /// The first character after `index` that is not a space.
    pub(super) fn significant_character_after(&self, index: usize) -> Option<char> {
        self.at(self.significant_after(index)?)
    }

    /// The index of the first character after `index` that is not a space, when it is this one.
    pub(super) fn significant_index_of(&self, index: usize, character: char) -> Option<usize> {
        self.significant_after(index).filter(|&found| self.at(found) == Some(character))
    }

    /// The last character before the position that is not a space.
    pub(super) fn significant_before(&self, index: usize) -> Option<usize> {
        (0..index).rev().find(|&previous| self.at(previous) != Some(' '))
    }

    pub(super) fn index_of(&self, from: usize, character: char) -> Option<usize> {
        (from..self.end).find(|&index| self.at(index) == Some(character))
    }

    /// The next such character after `from` that has no backslash before it.
    pub(super) fn unescaped_index_of(&self, from: usize, character: char) -> Option<usize> {
        let mut escaped = false;
        for index in from + 1..self.end {
            let found = self.at(index)?;
            if escaped {
                escaped = false;
            } else if found == '\\' {
                escaped = true;
            } else if found == character {
                return Some(index);
            }
        }
        None
    }

    /// The index of the character that closes the one at `start`. Strings, and
    /// regular expressions where the caller wants it, are stepped over.
    pub(super) fn closing_index(
        &self,
        start: usize,
        open: char,
        close: char,
        skip_regexes: bool,
    ) -> Result<Option<usize>, String> {
        let mut depth = 1_usize;
        let mut index = start + 1;
        while index < self.end {
            if let Some(quote @ ('\'' | '"')) = self.at(index) {
                let Some(closing) = self.unescaped_index_of(index, quote) else {
                    return Err(format!(
                        "Could not find matching close quote for {quote} when parsing : {}",
                        self.whole()
                    ));
                };
                index = closing + 1;
            }
            if skip_regexes && self.at(index) == Some('/') {
                let Some(closing) = self.unescaped_index_of(index, '/') else {
                    return Err(format!(
                        "Could not find matching close for / when parsing regex in : {}",
                        self.whole()
                    ));
                };
                index = closing + 1;
            }
            match self.at(index) {
                Some(found) if found == open => depth += 1,
                Some(found) if found == close => {
                    depth -= 1;
                    if depth == 0 {
                        return Ok(Some(index));
                    }
                }
                _ => {}
            }
            index += 1;
        }
        Ok(None)
    }
}

/// The UTF-16 unit that four digits stand for.
fn unit(characters: &mut std::str::Chars<'_>) -> Option<u32> {
    characters.by_ref().take(4).try_fold(0, |unit, digit| Some(unit * 16 + digit.to_digit(16)?))
}

/// Takes the backslashes out of a name or a string.
pub(super) fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            plain.push(character);
            continue;
        }
        match characters.next() {
            Some('r') => plain.push('\r'),
            Some('f') => plain.push('\u{c}'),
            Some('t') => plain.push('\t'),
            Some('n') => plain.push('\n'),
            Some('b') => plain.push('\u{8}'),
            Some('u') => {
                let mut code = unit(&mut characters);
                let mut behind = characters.clone();
                // Two halves of a character.
                if let Some(high @ 0xD800..0xDC00) = code
                    && behind.next() == Some('\\')
                    && behind.next() == Some('u')
                    && let Some(low @ 0xDC00..0xE000) = unit(&mut behind)
                {
                    code = Some(0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00));
                    characters = behind;
                }
                plain.push(code.and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            Some(other) => plain.push(other),
            None => plain.push('\\'),
        }
    }
    plain
}
