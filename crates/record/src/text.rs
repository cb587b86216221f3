//! Which texts people may write: one appearance for one text, nothing that changes how its neighbours look.
//!
//! Scripts, templates and formulas (`<script>`, `{{7*7}}`, `=1+1`) are plain text here and legal: who writes them into a page or a
//! table of cells escapes them there. Refused is what no escape makes visible: control characters, changes of direction, characters
//! without width, stacks of marks, and text that is not in normalization form C, of which two can look the same.

use serde::Serialize;
use thiserror::Error;
use unicode_general_category::{GeneralCategory, get_general_category};
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// Most characters of a name: what a row of a table shows.
pub const NAME_MAX: usize = 80;
/// Most characters of a note, such as the reason of a flag: about a page.
pub const NOTE_MAX: usize = 4_000;
/// Most characters of a generated text: twice what 8,192 tokens of English fill.
pub const OUTPUT_MAX: usize = 65_536;
/// Most marks on one letter: Vietnamese, Thai and pointed Hebrew need two where they are not composed.
pub const MARKS_MAX: usize = 2;

/// What a text is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A word that programs write: ASCII letters, digits and `. _ + - / :` and single spaces, at most [`NAME_MAX`].
    Word,
    /// A name that people write: one line, at most [`NAME_MAX`] characters.
    Name,
    /// A text that people write: lines, at most [`NOTE_MAX`] characters.
    Note,
    /// What a model wrote: anything but U+0000, at most [`OUTPUT_MAX`] characters. Models write what they like; who shows it keeps
    /// it apart.
    Output,
}

/// What is wrong with a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TextReason {
    /// No characters.
    Empty,
    /// Too many.
    TooLong,
    /// A space at an end, or two in a row.
    Spaces,
    /// A space that is not U+0020, or a separator of lines.
    UnusualSpace,
    /// A control character.
    Control,
    /// A change of writing direction.
    Bidi,
    /// A character without width, or one that shows nothing.
    Invisible,
    /// More than [`MARKS_MAX`] marks on one letter, or a mark on none.
    Marks,
    /// Private, unassigned or no character at all.
    Unassigned,
    /// Not in normalization form C.
    NotNfc,
    /// No [`Kind::Word`].
    NotWord,
}

impl TextReason {
    /// All reasons.
    pub const ALL: &[Self] = &[
        Self::Empty,
        Self::TooLong,
        Self::Spaces,
        Self::UnusualSpace,
        Self::Control,
        Self::Bidi,
        Self::Invisible,
        Self::Marks,
        Self::Unassigned,
        Self::NotNfc,
        Self::NotWord,
    ];

    /// Its code; see [`crate::RefusalCode::as_str`].
    pub fn code(self) -> &'static str {
        match self {
            Self::Empty => "text-empty",
            Self::TooLong => "text-too-long",
            Self::Spaces => "text-spaces",
            Self::UnusualSpace => "text-unusual-space",
            Self::Control => "text-control",
            Self::Bidi => "text-bidi",
            Self::Invisible => "text-invisible",
            Self::Marks => "text-marks",
            Self::Unassigned => "text-unassigned",
            Self::NotNfc => "text-not-nfc",
            Self::NotWord => "text-not-word",
        }
    }
}

/// A text that is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{}", sentence(self))]
pub struct TextError {
    /// What is wrong with it.
    pub reason: TextReason,
    /// Where, in characters from 0.
    pub at: usize,
    /// The character there; `None` where it is the whole text.
    pub found: Option<char>,
}

fn sentence(error: &TextError) -> String {
    let what = match error.reason {
        TextReason::Empty => "the text is empty",
        TextReason::TooLong => "the text goes on beyond its limit",
        TextReason::Spaces => "a space at an end, or a second one in a row",
        TextReason::UnusualSpace => "a space other than U+0020",
        TextReason::Control => "a control character",
        TextReason::Bidi => "a change of writing direction",
        TextReason::Invisible => "a character that cannot be seen",
        TextReason::Marks => "more than 2 marks on one letter, or a mark on none",
        TextReason::Unassigned => "a character without a meaning of its own",
        TextReason::NotNfc => "not in normalization form C",
        TextReason::NotWord => "not an ASCII letter, a digit or one of `. _ + - / :`",
    };
    match error.found {
        Some(c) => format!("{what}: U+{:04X} at character {}", c as u32, error.at),
        None => format!("{what}, at character {}", error.at),
    }
}

/// Whether a text may stand where `kind` says.
pub fn check(text: &str, kind: Kind) -> Result<(), TextError> {
    let most = match kind {
        Kind::Word | Kind::Name => NAME_MAX,
        Kind::Note => NOTE_MAX,
        Kind::Output => OUTPUT_MAX,
    };
    let whole = |reason, at| TextError {
        reason,
        at,
        found: None,
    };
    if let Some((at, _)) = text.chars().enumerate().nth(most) {
        return Err(whole(TextReason::TooLong, at));
    }
    if kind == Kind::Output {
        let zero = text.chars().position(|c| c == '\0');
        return zero.map_or(Ok(()), |at| {
            Err(TextError {
                reason: TextReason::Control,
                at,
                found: Some('\0'),
            })
        });
    }
    if text.is_empty() {
        return Err(whole(TextReason::Empty, 0));
    }
    let (mut marks, mut space) = (MARKS_MAX, true);
    for (at, c) in text.chars().enumerate() {
        let reason = match (kind, c) {
            (Kind::Note, '\n' | '\t') => None,
            (Kind::Word, c) if !is_word(c) => Some(TextReason::NotWord),
            _ => refused(c),
        };
        // Not within notes, whose lines are indented and end as they like.
        let spaces = c == ' ' && space && kind != Kind::Note;
        space = c == ' ';
        let is_mark = matches!(
            get_general_category(c),
            GeneralCategory::NonspacingMark | GeneralCategory::EnclosingMark
        );
        // The beginning and a space count as if they had all their marks already, so that none stands on nothing.
        marks = match (is_mark, c.is_whitespace()) {
            (true, _) => marks + 1,
            (false, true) => MARKS_MAX,
            (false, false) => 0,
        };
        let reason = reason
            .or(spaces.then_some(TextReason::Spaces))
            .or((marks > MARKS_MAX).then_some(TextReason::Marks));
        if let Some(reason) = reason {
            return Err(TextError {
                reason,
                at,
                found: Some(c),
            });
        }
    }
    if space && kind != Kind::Note {
        return Err(whole(TextReason::Spaces, text.chars().count() - 1));
    }
    let is_nfc = match is_nfc_quick(text.chars()) {
        IsNormalized::Yes => true,
        IsNormalized::No => false,
        IsNormalized::Maybe => text.nfc().eq(text.chars()),
    };
    if !is_nfc {
        let same = |(a, b): &(char, char)| a == b;
        let at = text.chars().zip(text.nfc()).take_while(same).count();
        return Err(whole(TextReason::NotNfc, at));
    }
    Ok(())
}

/// The text in normalization form C, without spaces at its ends: what a form does to a name before it checks it.
pub fn normalize(text: &str) -> String {
    text.trim().nfc().collect()
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || "._+-/: ".contains(c)
}

/// What is wrong with a character wherever it stands.
fn refused(c: char) -> Option<TextReason> {
    use GeneralCategory as Category;
    // Marks of direction, embeddings, overrides and isolates.
    let bidi = matches!(c, '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    if bidi {
        return Some(TextReason::Bidi);
    }
    if is_invisible(c) {
        return Some(TextReason::Invisible);
    }
    Some(match get_general_category(c) {
        Category::Control => TextReason::Control,
        Category::Format => TextReason::Invisible,
        Category::SpaceSeparator if c != ' ' => TextReason::UnusualSpace,
        Category::LineSeparator | Category::ParagraphSeparator => TextReason::UnusualSpace,
        Category::PrivateUse | Category::Unassigned | Category::Surrogate => TextReason::Unassigned,
        // Its glyph is an empty box or a question mark: text that was lost.
        _ if c == '\u{FFFD}' => TextReason::Unassigned,
        _ => return None,
    })
}

/// Letters, marks and symbols that show nothing: `Default_Ignorable_Code_Point` of Unicode outside of the category of formats, and
/// the empty Braille cell.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{034F}'
            | '\u{115F}'..='\u{1160}'
            | '\u{17B4}'..='\u{17B5}'
            | '\u{180B}'..='\u{180F}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{FE00}'..='\u{FE0F}'
            | '\u{FFA0}'
            | '\u{E0100}'..='\u{E01EF}'
    )
}
