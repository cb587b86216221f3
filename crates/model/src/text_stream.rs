//! From the bytes of tokens to text: in pieces that are certain, whole characters and nothing that may become part of a stop
//! sequence. No tensors, no tokenizer.
//!
//! ```text
//! tokens       "Wa" "i" "t.\nQue" "stion" ":"     until "Question:"
//! pieces       "Wa" "i" "t.\n"                    "Question:" is held back, and then it is the stop sequence
//! ```

/// A text as it grows.
pub(crate) struct TextStream<'a> {
    /// In the order of the request; none is empty.
    until: Vec<&'a str>,
    /// The text without control tokens.
    text: Utf8,
    /// The text with them: a stop sequence may be one (`</s>`), or hold one.
    written: Utf8,
    /// Bytes of `text` that were given away.
    sent: usize,
}

impl<'a> TextStream<'a> {
    /// An empty text that ends where one of `until` appears. Empty strings are ignored.
    pub(crate) fn new(until: &'a [String]) -> Self {
        let until = until.iter().map(String::as_str);
        Self {
            until: until.filter(|stop| !stop.is_empty()).collect(),
            text: Utf8::default(),
            written: Utf8::default(),
            sent: 0,
        }
    }

    /// Adds the bytes of a token; those of a control token are no text. True when a stop sequence is complete: nothing more
    /// is to be added.
    pub(crate) fn push(&mut self, bytes: &[u8], is_control: bool) -> bool {
        let mut stopped = self.written.push(bytes, &self.until);
        if !is_control {
            stopped |= self.text.push(bytes, &self.until);
        }
        stopped
    }

    /// The next piece that is certain; may be empty.
    pub(crate) fn certain(&mut self) -> &str {
        let rest = &self.text.text[self.sent..];
        let begins = |stop: &&str| begin(rest, stop);
        let end = self.until.iter().filter_map(begins).min();
        let piece = &rest[..end.unwrap_or(rest.len())];
        self.sent += piece.len();
        piece
    }

    /// The last piece, and the whole text.
    ///
    /// Bytes of an unfinished character become `U+FFFD`. What follows a stop sequence is cut, one sequence after the other as
    /// `postprocess_generated_text` does (`lm_eval/models/utils.py`): where two overlap, the first of `until` wins.
    pub(crate) fn finish(mut self) -> (String, String) {
        self.text.finish();
        let mut text = self.text.text;
        for stop in self.until {
            text.truncate(text.find(stop).unwrap_or(text.len()));
        }
        // Nothing was given away that a stop sequence could begin in.
        (text[self.sent..].to_owned(), text)
    }
}

/// Place of the first `stop` in `text`, or of its beginning at the end of `text`.
fn begin(text: &str, stop: &str) -> Option<usize> {
    text.find(stop).or_else(|| {
        let beginnings = stop.char_indices().map(|(end, _)| &stop[..end]).skip(1);
        let longest = beginnings
            .filter(|beginning| text.ends_with(beginning))
            .last();
        longest.map(|beginning| text.len() - beginning.len())
    })
}

/// Bytes read as UTF-8 as they come. Once finished, the text is `String::from_utf8_lossy` of all of them.
#[derive(Default)]
struct Utf8 {
    text: String,
    /// The beginning of a character.
    pending: Vec<u8>,
}

impl Utf8 {
    /// True if one of `until` appears that was not there before.
    fn push(&mut self, bytes: &[u8], until: &[&str]) -> bool {
        let before = self.text.len();
        self.pending.extend(bytes);
        let mut rest = self.pending.as_slice();
        self.pending = loop {
            match str::from_utf8(rest) {
                Ok(text) => {
                    self.text += text;
                    break Vec::new();
                }
                Err(error) => {
                    let (valid, after) = rest.split_at(error.valid_up_to());
                    self.text += &String::from_utf8_lossy(valid);
                    let Some(wrong) = error.error_len() else {
                        break after.to_vec();
                    };
                    self.text.push(char::REPLACEMENT_CHARACTER);
                    rest = &after[wrong..];
                }
            }
        };
        until.iter().any(|stop| {
            let from = self
                .text
                .floor_char_boundary((before + 1).saturating_sub(stop.len()));
            self.text[from..].contains(stop)
        })
    }

    fn finish(&mut self) {
        if !self.pending.is_empty() {
            self.text.push(char::REPLACEMENT_CHARACTER);
            self.pending.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pieces in order (empty ones left out), the whole text, and whether it was stopped.
    fn run(tokens: &[&[u8]], until: &[&str]) -> (Vec<String>, String, bool) {
        let until: Vec<String> = until.iter().map(|stop| stop.to_string()).collect();
        let mut stream = TextStream::new(&until);
        let (mut pieces, mut stopped) = (Vec::new(), false);
        for token in tokens {
            stopped = stream.push(token, false);
            pieces.push(stream.certain().to_owned());
            if stopped {
                break;
            }
        }
        let (last, text) = stream.finish();
        pieces.push(last);
        pieces.retain(|piece| !piece.is_empty());
        assert_eq!(pieces.concat(), text);
        (pieces, text, stopped)
    }

    fn text(tokens: &[&str], until: &[&str]) -> (Vec<String>, String, bool) {
        let tokens: Vec<&[u8]> = tokens.iter().map(|token| token.as_bytes()).collect();
        run(&tokens, until)
    }

    #[test]
    fn text_that_no_stop_sequence_can_begin_in_comes_at_once() {
        let (pieces, text, stopped) = text(&["a", " b", " c"], &["\n"]);
        assert_eq!(
            (pieces.join("|").as_str(), text.as_str()),
            ("a| b| c", "a b c")
        );
        assert!(!stopped);
    }

    #[test]
    fn a_stop_sequence_may_span_tokens_and_is_never_shown() {
        let (pieces, text, stopped) = text(
            &["Wa", "i", "t.\nQue", "stion", ": why", "?"],
            &["Question:"],
        );
        assert_eq!(pieces.join("|"), "Wa|i|t.\n");
        assert_eq!((text.as_str(), stopped), ("Wait.\n", true));
    }

    #[test]
    fn what_only_looked_like_a_stop_sequence_comes_later() {
        let (pieces, _, stopped) = text(&["a\n", "\nQ", "uiet", "\n", "\n"], &["\n\nQ:", "\n\n\n"]);
        assert_eq!(pieces.join("|"), "a|\n\nQuiet|\n\n");
        assert!(!stopped);
    }

    #[test]
    fn the_text_is_cut_before_the_first_of_several() {
        assert_eq!(text(&["one, two.", " three"], &[".", ","]).1, "one");
        assert_eq!(
            text(&["one. two"], &["", "."]).1,
            "one",
            "empty ones are ignored"
        );
        assert_eq!(text(&[".", "x"], &["."]), (vec![], String::new(), true));
    }

    #[test]
    fn overlapping_stop_sequences_are_cut_in_the_order_of_the_request() {
        // postprocess_generated_text("xabcy", ["bc", "ab"]) of the harness is "xa", with the stops swapped "x".
        assert_eq!(text(&["xabcy"], &["bc", "ab"]).1, "xa");
        assert_eq!(text(&["xabcy"], &["ab", "bc"]).1, "x");
        // Token by token, "ab" is complete first.
        assert_eq!(text(&["xa", "b", "cy"], &["bc", "ab"]).1, "x");
    }

    #[test]
    fn a_repeated_beginning_is_still_found() {
        assert_eq!(text(&["a", "aa", "b"], &["aab"]).1, "a");
        assert_eq!(text(&["\n", "\n", "\n", "x"], &["\n\nx"]).1, "\n");
    }

    #[test]
    fn a_character_over_several_tokens_is_held_back_until_it_is_whole() {
        let emoji = "🙂".as_bytes();
        let (pieces, text, _) = run(&[b"a", &emoji[..1], &emoji[1..3], &emoji[3..], b"b"], &[]);
        assert_eq!(
            (pieces.join("|").as_str(), text.as_str()),
            ("a|🙂|b", "a🙂b")
        );
        let scale = "저울".as_bytes();
        let (pieces, ..) = run(&[&scale[..2], &scale[2..4], &scale[4..]], &["울!"]);
        assert_eq!(pieces.join("|"), "저|울");
    }

    #[test]
    fn bytes_that_are_no_utf8_become_replacement_characters() {
        let (pieces, text, _) = run(&[b"a\xff", b"b\xf0\x9f", b"c", b"\xec\xa0"], &[]);
        assert_eq!(pieces.join("|"), "a\u{fffd}|b|\u{fffd}c|\u{fffd}");
        let bytes = b"a\xffb\xf0\x9fc\xec\xa0";
        assert_eq!(text, String::from_utf8_lossy(bytes));
    }

    #[test]
    fn control_tokens_stop_but_are_no_text() {
        let until = ["</s>".to_owned()];
        let mut stream = TextStream::new(&until);
        assert!(!stream.push(b"yes", false));
        assert!(!stream.push(b"<pad>", true));
        assert!(stream.push(b"</s>", true));
        assert_eq!(stream.finish(), ("yes".into(), "yes".into()));
    }

    #[test]
    fn a_character_may_continue_behind_a_control_token() {
        // Hugging Face drops control tokens first and reads the bytes of the others together.
        let mut stream = TextStream::new(&[]);
        stream.push(b"\xec\xa0", false);
        stream.push(b"<pad>", true);
        stream.push(b"\x80", false);
        assert_eq!(stream.certain(), "저");
    }

    #[test]
    fn any_split_gives_the_same_text_and_holds_nothing_back_needlessly() {
        let whole = "Q: 몇 개? 🙂🙂\n\nA: 3👩‍👩‍👧 개\u{fffd}입니다.\nQ:\nQ: next".as_bytes();
        let bad = [
            &whole[..30],
            b"\xf0\x9f\x99",
            &whole[30..],
            b"\xed\xa0\x80\xc3",
        ]
        .concat();
        let mut state = 7_u32;
        let mut below = |n: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as usize % n
        };
        for round in 0..2_000 {
            let bytes: &[u8] = if round % 2 == 0 { whole } else { &bad };
            let until: &[&str] =
                [&[][..], &["\nQ: "], &["🙂🙂\n", "개?"], &["\u{fffd}", "zz"]][round % 4];
            let (mut tokens, mut rest): (Vec<&[u8]>, _) = (Vec::new(), bytes);
            while !rest.is_empty() {
                let (token, after) = rest.split_at(1 + below(rest.len().min(9)));
                tokens.push(token);
                rest = after;
            }
            let (_, got, stopped) = run(&tokens, until);
            let lossy = String::from_utf8_lossy(bytes);
            let cut = until.iter().filter_map(|stop| lossy.find(stop)).min();
            assert_eq!(
                got,
                lossy[..cut.unwrap_or(lossy.len())],
                "{until:?} {tokens:?}"
            );
            assert_eq!(stopped, cut.is_some(), "{until:?} {tokens:?}");

            // With no stop sequence to wait for, only an unfinished character waits.
            let (mut stream, mut read, mut sent) = (TextStream::new(&[]), 0, String::new());
            for token in tokens {
                stream.push(token, false);
                read += token.len();
                sent += stream.certain();
                let so_far = String::from_utf8_lossy(&bytes[..read]);
                let waits = so_far.strip_prefix(sent.as_str());
                assert!(
                    matches!(waits, Some("" | "\u{fffd}")),
                    "{sent:?} of {so_far:?}"
                );
            }
        }
    }
}
