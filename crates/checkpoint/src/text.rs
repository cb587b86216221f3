//! Text of a file in error messages: it may be anything, so it is shortened and its control characters are written out.

/// Characters of a text that an error message repeats.
const SHOWN_CHARS: usize = 64;

/// At most [`SHOWN_CHARS`] characters. Control and invisible characters are escaped: a terminal must not obey them.
pub(crate) fn shown(text: &str) -> String {
    let mut chars = text.chars();
    let mut shown = String::new();
    for character in chars.by_ref().take(SHOWN_CHARS) {
        match character {
            '"' | '\'' | '\\' => shown.push(character),
            _ => shown.extend(character.escape_debug()),
        }
    }
    if chars.next().is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_people_stays_as_it_is() {
        let text = "blk.0.attn_q 저울 \"it's\" a\\b Ġthe";
        assert_eq!(shown(text), text);
    }

    #[test]
    fn control_characters_are_written_out() {
        assert_eq!(shown("\u{1b}]0;a\n\u{202e}b"), r"\u{1b}]0;a\n\u{202e}b");
    }

    #[test]
    fn long_texts_are_cut_behind_64_characters() {
        assert_eq!(shown(&"예".repeat(64)), "예".repeat(64));
        assert_eq!(shown(&"예".repeat(65)), "예".repeat(64) + "…");
    }
}
