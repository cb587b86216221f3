//! Random names and secrets, and the hashes under which secrets are kept. No secret itself is ever stored.

use jeoul_record::canonical::hex;

/// Digits of Douglas Crockford's base 32: no I, L, O or U, which are misread or misheard.
const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Characters of a room code, 5 bits each: 50 bits cannot be guessed through a network in a day.
pub(crate) const CODE_CHARS: usize = 10;

/// What a bearer token is for; its first letter says it, so that a lookup needs one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// A member of a room.
    Member,
    /// Who presents a room.
    Presenter,
    /// A moderator, from the command line.
    Moderator,
    /// A moderator's session in a browser.
    Session,
}

impl TokenKind {
    const ALL: [Self; 4] = [
        Self::Member,
        Self::Presenter,
        Self::Moderator,
        Self::Session,
    ];

    fn letter(self) -> char {
        match self {
            Self::Member => 'r',
            Self::Presenter => 'p',
            Self::Moderator => 'm',
            Self::Session => 's',
        }
    }

    /// What `token` claims to be; `None` if it has not the form of one.
    pub(crate) fn of(token: &str) -> Option<Self> {
        let (letter, digits) = token.split_once('_')?;
        let kind = Self::ALL
            .into_iter()
            .find(|kind| letter.len() == 1 && letter.starts_with(kind.letter()))?;
        is_hex(digits, 64).then_some(kind)
    }
}

/// `count` random bytes from the operating system.
pub(crate) fn random<const COUNT: usize>() -> [u8; COUNT] {
    let mut bytes = [0; COUNT];
    // Without random numbers there is no safe way to go on; the kernel gives them once the machine is up.
    getrandom::fill(&mut bytes).expect("the operating system gives random numbers");
    bytes
}

/// A new token of 256 bits.
pub(crate) fn token(kind: TokenKind) -> String {
    format!("{}_{}", kind.letter(), hex(&random::<32>()))
}

/// A new name of 64 bits, in hexadecimal.
pub(crate) fn name() -> String {
    hex(&random::<8>())
}

/// A new room code.
pub(crate) fn code() -> String {
    let bytes = random::<CODE_CHARS>();
    // 256 is a multiple of 32, so every digit is equally likely.
    bytes
        .iter()
        .map(|byte| char::from(CROCKFORD[usize::from(byte % 32)]))
        .collect()
}

/// A room code as it was meant: letters in capitals, O as 0, I and L as 1, spaces and dashes left out.
/// `None` if it has another length or other characters.
pub(crate) fn normal_code(typed: &str) -> Option<String> {
    let meant: String = typed
        .chars()
        .filter(|one| !matches!(one, ' ' | '-'))
        .map(|one| match one.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        })
        .collect();
    let fits = meant.len() == CODE_CHARS && meant.bytes().all(|one| CROCKFORD.contains(&one));
    fits.then_some(meant)
}

/// Whether `text` is `length` digits of lower-case hexadecimal.
pub(crate) fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length
        && text
            .bytes()
            .all(|one| matches!(one, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_as_it_was_meant() {
        assert_eq!(normal_code("o1li-0abcde").as_deref(), Some("01110ABCDE"));
        assert_eq!(normal_code("01110 ABCDU"), None, "there is no U");
        assert_eq!(normal_code("예예예예예예예예예예"), None);
        let code = code();
        assert_eq!(normal_code(&code), Some(code));
    }

    #[test]
    fn a_token_says_what_it_is_for() {
        for kind in TokenKind::ALL {
            assert_eq!(TokenKind::of(&token(kind)), Some(kind));
        }
        for other in ["", "r", "r_", "x_00", "r_zz", "rr_00"] {
            assert_eq!(TokenKind::of(other), None, "{other}");
        }
    }
}
