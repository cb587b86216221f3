//! Python's regular expressions, as far as task files use them, on the `fancy-regex` crate.
//!
//! What differs is translated: `$` also matches before a last line break, `\Z` is the very end, `(?P=name)` is `\k<name>`. Backtracking is
//! bounded, so that a pattern that explodes is an error and not a hang.

use fancy_regex::{Regex, RegexBuilder};
use thiserror::Error;

/// Steps of backtracking that one match may take.
const STEPS_MAX: usize = 1_000_000;

/// A compiled pattern.
#[derive(Clone, Debug)]
pub(crate) struct PythonRegex {
    pattern: String,
    regex: Regex,
}

/// A match that takes too many steps.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the pattern {pattern:?} does not end within {STEPS_MAX} steps on this text")]
pub struct Endless {
    /// The pattern as the task file has it.
    pub pattern: String,
}

impl PartialEq for PythonRegex {
    fn eq(&self, other: &Self) -> bool {
        self.pattern == other.pattern
    }
}

impl PythonRegex {
    /// Compiles a pattern; the error holds the engine's words.
    pub(crate) fn new(pattern: &str) -> Result<Self, String> {
        let mut builder = RegexBuilder::new(&translate(pattern));
        builder.backtrack_limit(STEPS_MAX);
        let regex = builder.build().map_err(|error| error.to_string())?;
        Ok(Self {
            pattern: pattern.into(),
            regex,
        })
    }

    /// `re.findall`: of each match its groups, or the whole match where the pattern has none. A group that took no part is empty.
    pub(crate) fn find_all(&self, text: &str) -> Result<Vec<Vec<String>>, Endless> {
        let mut found = Vec::new();
        for captures in self.regex.captures_iter(text) {
            let captures = captures.map_err(|_| self.endless())?;
            let group = |index| {
                captures
                    .get(index)
                    .map_or("", |group| group.as_str())
                    .to_string()
            };
            let first = usize::from(captures.len() > 1);
            found.push((first..captures.len()).map(group).collect());
        }
        Ok(found)
    }

    /// `re.sub(pattern, "", text)`.
    pub(crate) fn remove(&self, text: &str) -> Result<String, Endless> {
        let mut kept = String::new();
        let mut end = 0;
        for found in self.regex.find_iter(text) {
            let found = found.map_err(|_| self.endless())?;
            kept += &text[end..found.start()];
            end = found.end();
        }
        Ok(kept + &text[end..])
    }

    fn endless(&self) -> Endless {
        Endless {
            pattern: self.pattern.clone(),
        }
    }
}

/// `re.escape`, for texts that become part of a pattern.
pub(crate) fn escape(text: &str) -> String {
    fancy_regex::escape(text).into_owned()
}

/// The pattern in the notation of `fancy-regex`.
fn translate(pattern: &str) -> String {
    let mut translated = String::with_capacity(pattern.len());
    let mut chars = pattern.chars().peekable();
    let mut in_class = false;
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('Z') if !in_class => translated += r"\z",
                Some(next) => translated.extend(['\\', next]),
                None => translated.push('\\'),
            },
            '[' if in_class => translated += r"\[",
            '[' => {
                in_class = true;
                translated.push('[');
                // A bracket that closes at once stands for itself.
                if chars.peek() == Some(&'^') {
                    translated.extend(chars.next());
                }
                if chars.peek() == Some(&']') {
                    chars.next();
                    translated += r"\]";
                }
            }
            ']' => {
                in_class = false;
                translated.push(']');
            }
            // Set operations that Python does not have.
            '&' | '~' if in_class => translated.extend(['\\', c]),
            '$' if !in_class => translated += r"(?=\n?\z)",
            c => translated.push(c),
        }
    }
    translated.replace("(?P=", r"\k<").replace(r"\k<)", ")")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(pattern: &str, text: &str) -> Vec<Vec<String>> {
        PythonRegex::new(pattern).unwrap().find_all(text).unwrap()
    }

    fn removed(pattern: &str, text: &str) -> String {
        PythonRegex::new(pattern).unwrap().remove(text).unwrap()
    }

    // Expected: re.findall and re.sub of Python 3.11.

    #[test]
    fn matches_are_groups_or_the_whole() {
        assert_eq!(
            find(r"#### (\-?[0-9\.\,]+)", "a #### 12,3 #### -4."),
            [["12,3"], ["-4."]]
        );
        assert_eq!(find(r"\d+", "1 a 22"), [["1"], ["22"]]);
        assert_eq!(
            find(r"(-?[$0-9.,]{2,})|(-?[0-9]+)", "$1,0 and 7"),
            [["$1,0", ""], ["", "7"]]
        );
    }

    #[test]
    fn the_end_is_also_before_a_last_line_break() {
        assert_eq!(removed(r"\.$", "a.\n"), "a\n");
        assert_eq!(removed(r"\.\Z", "a.\n"), "a.\n");
        assert_eq!(removed(r"[$.]", "a.$"), "a");
    }

    #[test]
    fn brackets_within_a_class_stand_for_themselves() {
        assert_eq!(removed(r"[[\]&&~]", "a[b]&~c"), "abc");
        assert_eq!(removed(r"[]x]", "a]x"), "a");
    }

    #[test]
    fn flags_cover_line_breaks() {
        assert_eq!(removed("(?s).*#### ", "a\nb #### 4"), "4");
        assert_eq!(removed(r"\[.*?\]", "a [b] c [d\ne]"), "a  c [d\ne]");
    }

    #[test]
    fn a_pattern_that_explodes_is_an_error() {
        let regex = PythonRegex::new(r"(?=(a+)+$)(a|aa)+\1b").unwrap();
        assert!(regex.find_all(&"a".repeat(60)).is_err());
        assert!(PythonRegex::new("(").is_err());
    }
}
