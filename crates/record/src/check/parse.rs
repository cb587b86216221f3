//! From bytes to a signed envelope: what is no JSON, not of its shape, or not written canonically.

use serde_json::error::Category;
use serde_path_to_error::{Path, Segment};

use super::{BYTES_MAX, DEPTH_MAX};
use crate::canonical;
use crate::envelope::SignedEnvelope;
use crate::refusal::{Pointer, Refusal, RefusalCode};

/// Reads what was posted.
pub(super) fn signed(bytes: &[u8]) -> Result<SignedEnvelope, Refusal> {
    let root = Pointer::default();
    if bytes.len() > BYTES_MAX {
        let detail = format!("{} bytes; at most {BYTES_MAX} are taken", bytes.len());
        return Err(root.refuse(RefusalCode::TooLarge, detail));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let detail = format!("not UTF-8 at byte {}", error.valid_up_to());
        root.refuse(RefusalCode::BadJson, detail)
    })?;
    if let Some(at) = too_deep(text) {
        let detail = format!("lists and objects are nested deeper than {DEPTH_MAX} at byte {at}");
        return Err(root.refuse(RefusalCode::TooDeep, detail));
    }
    // Keeping the place costs half as much again as parsing: it is looked for only where there is a fault.
    let signed: SignedEnvelope = match serde_json::from_str(text) {
        Ok(signed) => signed,
        Err(error) => return Err(fault(text, &error)),
    };
    let again = canonical::bytes_in_order(&signed)
        .map_err(|reason| root.refuse(RefusalCode::NotCanonical, reason))?;
    if again != bytes {
        let same = |(a, b): &(&u8, &u8)| a == b;
        let at = again.iter().zip(bytes).take_while(same).count();
        let detail = format!(
            "not written as RFC 8785 has it, from byte {at}: sorted keys, no white space, shortest numbers, and no field that \
             holds nothing"
        );
        return Err(root.refuse(RefusalCode::NotCanonical, detail));
    }
    Ok(signed)
}

/// Reads once more, for the place of a fault.
fn fault(text: &str, error: &serde_json::Error) -> Refusal {
    let mut reader = serde_json::Deserializer::from_str(text);
    match serde_path_to_error::deserialize::<_, SignedEnvelope>(&mut reader) {
        Err(error) => refusal(error.path(), error.inner()),
        // The object itself is well: it is what follows.
        Ok(_) => {
            let detail = format!("something follows the object at column {}", error.column());
            Pointer::default().refuse(RefusalCode::BadJson, detail)
        }
    }
}

/// The signed bytes within a canonical submission, whose keys are in order: what stands between `{"envelope":` and the key.
pub(super) fn payload<'a>(bytes: &'a [u8], signed: &SignedEnvelope) -> &'a [u8] {
    let start = "{\"envelope\":".len();
    let ends = ",\"public_key\":\"\",\"signature\":\"\"}".len();
    let ends = ends + signed.public_key.len() + signed.signature.len();
    let end = bytes.len().saturating_sub(ends);
    bytes.get(start..end).unwrap_or_default()
}

/// Byte at which the nesting exceeds its limit. Not a parser: what is no JSON may be counted wrongly and is refused later.
fn too_deep(text: &str) -> Option<usize> {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH_MAX {
            return Some(at);
        }
    }
    None
}

/// The parser's error as a refusal. Its words hold what was posted; only those about what is allowed are kept.
fn refusal(path: &Path, error: &serde_json::Error) -> Refusal {
    let message = error.to_string();
    let at = pointer(path);
    if error.classify() != Category::Data {
        let code = match message.starts_with("number out of range") {
            true => RefusalCode::NotFinite,
            false => RefusalCode::BadJson,
        };
        let detail = format!("no JSON from column {}", error.column());
        return at.refuse(code, detail);
    }
    let named = |start: &str| {
        let rest = message.strip_prefix(start)?.strip_prefix(" `")?;
        rest.split_once('`').map(|(name, _)| name)
    };
    if let Some(name) = named("missing field") {
        let detail = "this field must be there";
        return at.field(name).refuse(RefusalCode::MissingField, detail);
    }
    if let Some(name) = named("duplicate field") {
        let detail = "this field stands there twice";
        return at.field(name).refuse(RefusalCode::DuplicateField, detail);
    }
    if message.starts_with("unknown field") {
        return at.refuse(RefusalCode::UnknownField, "there is no such field");
    }
    let expected = message
        .rsplit_once("expected ")
        .map_or("another type", |(_, rest)| rest);
    let expected = expected.split(" at line ").next().unwrap_or_default();
    at.refuse(RefusalCode::WrongType, format!("expected {expected}"))
}

fn pointer(path: &Path) -> Pointer {
    path.iter()
        .fold(Pointer::default(), |at, segment| match segment {
            Segment::Seq { index } => at.item(*index),
            // A field that is not known has any name; one that is no name is not repeated.
            Segment::Map { key } if !is_name(key) => at,
            Segment::Map { key } => at.field(key),
            // A variant is a value here and has no place of its own.
            Segment::Enum { .. } | Segment::Unknown => at,
        })
}

fn is_name(key: &str) -> bool {
    (1..=40).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
