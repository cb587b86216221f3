//! Plain scalars that the harness's parser and ours read differently, written so that ours reads what the harness reads.
//!
//! The harness uses PyYAML, which knows YAML 1.1: `yes` is true there, `010` is eight, `1:30` is ninety and `1e-5` is a text.
//! Ours knows YAML 1.2. A task must not change its meaning with the program that reads it.

use std::borrow::Cow;

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_yaml_ng::Value;

/// The same file in YAML 1.2, line for line.
pub(crate) fn as_yaml_1_2(text: &str) -> Cow<'_, str> {
    let mut rewritten = String::new();
    // Places count characters, and come in order.
    let (mut chars, mut at) = (text.chars(), 0);
    // A file that cannot be parsed gets its error from the parser that reads it next.
    for (event, span) in Parser::new_from_str(text).map_while(Result::ok) {
        let Event::Scalar(scalar, ScalarStyle::Plain, _, None) = event else {
            continue;
        };
        let start = span.start.index();
        if let (Some(form), Some(between)) = (form(&scalar), start.checked_sub(at)) {
            rewritten.extend(chars.by_ref().take(between));
            rewritten.push_str(&form);
            chars.by_ref().take(scalar.chars().count()).for_each(drop);
            at = start + scalar.chars().count();
        }
    }
    match at {
        0 => text.into(),
        _ => (rewritten + chars.as_str()).into(),
    }
}

/// How a plain scalar is to be written, if not as it stands.
fn form(scalar: &str) -> Option<String> {
    let is_text = matches!(serde_yaml_ng::from_str(scalar), Ok(Value::String(_)));
    match scalar {
        "yes" | "Yes" | "YES" | "on" | "On" | "ON" => return Some("true".into()),
        "no" | "No" | "NO" | "off" | "Off" | "OFF" => return Some("false".into()),
        "true" | "True" | "TRUE" | "false" | "False" | "FALSE" => return None,
        "" | "~" | "null" | "Null" | "NULL" => return None,
        _ => {}
    }
    if let Some(value) = integer(scalar) {
        let written = value.to_string();
        return (written != scalar).then_some(written);
    }
    match float(scalar) {
        // A decimal point makes `{:?}` a float for both.
        Some(value) if value.is_finite() => {
            let read: Option<f64> = serde_yaml_ng::from_str(scalar).ok();
            (is_text || read != Some(value)).then(|| format!("{value:?}"))
        }
        Some(_) => None,
        // No text that another parser takes for something else needs escapes.
        None => (!is_text).then(|| format!("\"{scalar}\"")),
    }
}

/// An integer as PyYAML's resolver knows them.
fn integer(scalar: &str) -> Option<i64> {
    let (sign, digits) = signed(scalar);
    let digits = digits.replace('_', "");
    let starts_with_digit = scalar
        .trim_start_matches(['+', '-'])
        .starts_with(|c: char| c.is_ascii_digit());
    if !starts_with_digit {
        return None;
    }
    let value = match digits.as_bytes() {
        [b'0', b'b', ..] => i64::from_str_radix(digits.get(2..)?, 2).ok()?,
        [b'0', b'x', ..] => i64::from_str_radix(digits.get(2..)?, 16).ok()?,
        [b'0', _, ..] => i64::from_str_radix(&digits, 8).ok()?,
        _ if digits.contains(':') => sexagesimal(&digits)? as i64,
        _ if digits.bytes().all(|digit| digit.is_ascii_digit()) => digits.parse().ok()?,
        _ => return None,
    };
    (!digits.contains('.')).then_some(sign * value)
}

/// A float as PyYAML's resolver knows them: with a point, and a sign before its exponent.
fn float(scalar: &str) -> Option<f64> {
    let (sign, digits) = signed(scalar);
    let digits = digits.to_lowercase();
    if digits == ".inf" {
        return Some(sign as f64 * f64::INFINITY);
    }
    if scalar.to_lowercase() == ".nan" {
        return Some(f64::NAN);
    }
    let (mantissa, exponent) = match digits.split_once('e') {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (digits.as_str(), None),
    };
    let (whole, fraction) = mantissa.split_once('.')?;
    let number = |part: &str| part.bytes().all(|c| c.is_ascii_digit() || c == b'_');
    let begins_with_digit = |part: &str| part.starts_with(|c: char| c.is_ascii_digit());
    let exponent_counts = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['+', '-']);
        digits
            .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|c| c.is_ascii_digit()))
    });
    // Without digits before the point PyYAML takes no sign.
    let begins = match whole {
        "" => begins_with_digit(fraction) && !scalar.starts_with(['+', '-']),
        _ => begins_with_digit(whole),
    };
    if !begins || !number(fraction) || !exponent_counts {
        return None;
    }
    let plain = digits.replace('_', "");
    match whole.contains(':') {
        true => Some(sign as f64 * sexagesimal(&plain)?),
        false if number(whole) => plain.parse::<f64>().ok().map(|value| sign as f64 * value),
        false => None,
    }
}

fn signed(scalar: &str) -> (i64, &str) {
    match scalar.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, scalar.strip_prefix('+').unwrap_or(scalar)),
    }
}

/// `1:30`, base 60: the parts after the first are below 60.
fn sexagesimal(digits: &str) -> Option<f64> {
    let mut parts = digits.split(':');
    let number = |part: &str| match part.starts_with(|c: char| c.is_ascii_digit()) {
        true => part.parse::<f64>().ok(),
        false => None,
    };
    let first = number(parts.next()?)?;
    parts.try_fold(first, |value, part| {
        let part = number(part).filter(|part| *part < 60.0)?;
        Some(value * 60.0 + part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_mean_what_pyyaml_takes_them_for() {
        // Right side: `json.dumps(yaml.safe_load(scalar))` of PyYAML 6.0.
        for (scalar, value) in [
            ("yes", "true"),
            ("Off", "false"),
            ("TRUE", "true"),
            ("tRUE", "\"tRUE\""),
            ("y", "\"y\""),
            ("~", "null"),
            ("nULL", "\"nULL\""),
            ("0", "0"),
            ("00", "0"),
            ("-0", "0"),
            ("+5", "5"),
            ("010", "8"),
            ("0777", "511"),
            ("09", "\"09\""),
            ("0o10", "\"0o10\""),
            ("0x1F", "31"),
            ("-0b1", "-1"),
            ("1_000", "1000"),
            ("1:30", "90"),
            ("190:20:30", "685230"),
            ("1:30.5", "90.5"),
            ("1:90", "\"1:90\""),
            ("1e5", "\"1e5\""),
            ("1e-5", "\"1e-5\""),
            ("1.5e3", "\"1.5e3\""),
            ("1.5e+3", "1500.0"),
            ("1.e+3", "1000.0"),
            ("1.", "1.0"),
            ("1_0.5", "10.5"),
            (".5", "0.5"),
            ("+.5", "\"+.5\""),
            ("._5", "\"._5\""),
            ("1.0.0", "\"1.0.0\""),
            ("0.0", "0.0"),
        ] {
            let text = format!("a: {scalar}\n");
            let read: serde_json::Value = serde_yaml_ng::from_str(&as_yaml_1_2(&text)).unwrap();
            let expected: serde_json::Value = serde_json::from_str(value).unwrap();
            assert_eq!(
                read["a"],
                expected,
                "{scalar}, written as {}",
                as_yaml_1_2(&text)
            );
        }
    }

    #[test]
    fn only_plain_scalars_change() {
        let text = "예: [no, 'no', \"yes\", !function a.yes]\ntext: |\n  on\n  - yes\non: { off: 1e5 } # yes\n";
        let read = "예: [false, 'no', \"yes\", !function a.yes]\ntext: |\n  on\n  - yes\ntrue: { false: \"1e5\" } # yes\n";
        assert_eq!(as_yaml_1_2(text), read);
        assert!(matches!(as_yaml_1_2("task: yesno\n"), Cow::Borrowed(_)));
        assert_eq!(as_yaml_1_2("a: yes\nb: [\n"), "a: true\nb: [\n");
    }
}
