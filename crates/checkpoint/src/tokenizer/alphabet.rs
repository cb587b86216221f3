//! GPT-2's byte alphabet: vocabularies spell each byte as one printable character.

/// The bytes that a token of the vocabulary stands for. A token with a character beyond the alphabet (an added one, that is
/// plain text) stands for its own UTF-8, as in Hugging Face's `ByteLevel` decoder.
pub(super) fn bytes(token: &str) -> Vec<u8> {
    let spelled: Option<Vec<u8>> = token.chars().map(byte).collect();
    spelled.unwrap_or_else(|| token.as_bytes().to_vec())
}

/// Printable bytes of Latin-1 stand for themselves; the 68 others follow from U+0100 on, in order.
fn byte(character: char) -> Option<u8> {
    let code = u32::from(character);
    match code {
        0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff => u8::try_from(code).ok(),
        0x100..=0x120 => u8::try_from(code - 0x100).ok(), // 0x00 to 0x20
        0x121..=0x142 => u8::try_from(code - 0x121 + 0x7f).ok(), // 0x7f to 0xa0
        0x143 => Some(0xad),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use tokenizers::pre_tokenizers::byte_level::ByteLevel;

    use super::*;

    #[test]
    fn every_byte_has_one_character_of_the_alphabet() {
        let alphabet = ByteLevel::alphabet();
        assert_eq!(alphabet.len(), 256);
        let bytes: BTreeSet<Option<u8>> = alphabet.into_iter().map(byte).collect();
        assert_eq!(bytes.len(), 256);
        assert!(!bytes.contains(&None));
        assert_eq!((byte('\u{144}'), byte(' ')), (None, None));
    }

    #[test]
    fn tokens_become_the_bytes_they_spell() {
        assert_eq!(bytes("Ġthe"), b" the");
        assert_eq!(bytes("Ċ"), b"\n");
        assert_eq!(bytes("ìłĢìļ¸"), "저울".as_bytes());
        assert_eq!(bytes("<|im_end|>"), b"<|im_end|>");
        assert_eq!(
            bytes("<two words>"),
            b"<two words>",
            "a space is not in the alphabet"
        );
    }
}
