//! Python's spellings, where they reach a score or a result file: whitespace, numbers, literals, JSON.

use std::io;

use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};
use thiserror::Error;

/// `str.isspace` of one character: Unicode's white space and the four separators U+001C to U+001F.
pub(crate) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// `str.isdigit` for the digits a task can mean: ASCII only, at least one.
pub(crate) fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// `repr` of a float: the shortest text that reads back as the same number, with an exponent below 1e-4 and from 1e16.
pub(crate) fn float(x: f64) -> String {
    if x.is_nan() {
        return "nan".into();
    }
    if x.is_infinite() {
        return if x > 0.0 { "inf" } else { "-inf" }.into();
    }
    let text = closest(x);
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    if x == 0.0 || (1e-4..1e16).contains(&x.abs()) {
        return plain(digits, exponent.parse().unwrap_or(0));
    }
    // Rust writes `1.5e-7`, Python `1.5e-07`.
    match exponent.strip_prefix('-') {
        Some(exponent) => format!("{digits}e-{exponent:0>2}"),
        None => format!("{digits}e+{exponent:0>2}"),
    }
}

/// The shortest digits that read back as `x`, and among equally short ones the closest: where two are equally close, Python
/// takes the even digit and Rust the larger number.
fn closest(x: f64) -> String {
    let shortest = format!("{x:e}");
    let digits = shortest.split('e').next().unwrap_or_default();
    let count = digits.bytes().filter(u8::is_ascii_digit).count();
    let rounded = format!("{x:.*e}", count.saturating_sub(1));
    match rounded.parse::<f64>() {
        Ok(same) if same == x => rounded,
        _ => shortest,
    }
}

/// `1.25` and exponent 1 as `12.5`; there is always a digit after the point.
fn plain(digits: &str, exponent: i32) -> String {
    let (sign, digits) = digits
        .strip_prefix('-')
        .map_or(("", digits), |rest| ("-", rest));
    let digits: String = digits.chars().filter(char::is_ascii_digit).collect();
    let before = exponent + 1;
    let text = match usize::try_from(before) {
        Ok(before) if before >= digits.len() => format!("{digits:0<before$}.0"),
        Ok(before) if before > 0 => format!("{}.{}", &digits[..before], &digits[before..]),
        _ => format!("0.{}{digits}", "0".repeat(before.unsigned_abs() as usize)),
    };
    format!("{sign}{text}")
}

/// `str` of a JSON value as Python holds it: `True`, `None`, `0.5`; text stays itself.
pub(crate) fn str_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "None".into(),
        Value::Bool(true) => "True".into(),
        Value::Bool(false) => "False".into(),
        Value::Number(n) if n.is_f64() => float(n.as_f64().unwrap_or(f64::NAN)),
        Value::Number(n) => n.to_string(),
        Value::Array(_) | Value::Object(_) => repr(value),
    }
}

/// `repr` of a JSON value as Python holds it: text in quotes.
pub(crate) fn repr(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(repr).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(map) => {
            let entry =
                |(key, value): (&String, &Value)| format!("{}: {}", quoted(key), repr(value));
            let entries: Vec<String> = map.iter().map(entry).collect();
            format!("{{{}}}", entries.join(", "))
        }
        other => str_of(other),
    }
}

/// `repr` of a text: single quotes, unless it holds those and no double ones.
fn quoted(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    let mut quoted = String::from(quote);
    for c in text.chars() {
        match c {
            '\n' => quoted += "\\n",
            '\r' => quoted += "\\r",
            '\t' => quoted += "\\t",
            '\\' => quoted += "\\\\",
            c if c == quote => quoted.extend(['\\', c]),
            ' ' => quoted.push(c),
            // What Python calls not printable: controls, and every space but the plain one.
            c if c.is_control()
                || is_space(c)
                || ('\u{200b}'..='\u{200f}').contains(&c)
                || c == '\u{feff}' =>
            {
                quoted += &match u32::from(c) {
                    code @ 0..=0xff => format!("\\x{code:02x}"),
                    code @ 0x100..=0xffff => format!("\\u{code:04x}"),
                    code => format!("\\U{code:08x}"),
                }
            }
            c => quoted.push(c),
        }
    }
    quoted.push(quote);
    quoted
}

/// `json.dumps(value, ensure_ascii=False)`.
pub(crate) fn json(value: &Value) -> String {
    dump(value, Compact)
}

/// `json.dumps(value, indent=2, ensure_ascii=False)`.
pub(crate) fn json_indented(value: &Value) -> String {
    dump(value, Indented(PrettyFormatter::new()))
}

fn dump(value: &Value, formatter: impl Formatter) -> String {
    let mut bytes = Vec::new();
    // Writing JSON values into memory cannot fail: keys are strings, numbers finite.
    let written = value.serialize(&mut Serializer::with_formatter(&mut bytes, formatter));
    debug_assert!(written.is_ok());
    String::from_utf8(bytes).unwrap_or_default()
}

/// One line, with a space after `,` and `:`.
struct Compact;

impl Formatter for Compact {
    fn write_f64<W: ?Sized + io::Write>(&mut self, out: &mut W, x: f64) -> io::Result<()> {
        out.write_all(float(x).as_bytes())
    }

    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        out: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        out: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b": ")
    }
}

/// Two spaces a level, as both languages do; only floats differ.
struct Indented(PrettyFormatter<'static>);

impl Formatter for Indented {
    fn write_f64<W: ?Sized + io::Write>(&mut self, out: &mut W, x: f64) -> io::Result<()> {
        out.write_all(float(x).as_bytes())
    }

    fn begin_array<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_array(out)
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array(out)
    }

    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        out: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.0.begin_array_value(out, first)
    }

    fn end_array_value<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array_value(out)
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object(out)
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object(out)
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        out: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.0.begin_object_key(out, first)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object_value(out)
    }

    fn end_object_value<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object_value(out)
    }
}

/// Text that is no list of strings in Python's notation.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("character {at} is {found}; expected {expected}")]
pub(crate) struct LiteralError {
    /// Characters before the place.
    pub(crate) at: usize,
    /// What stands there.
    pub(crate) found: String,
    /// What may stand there.
    pub(crate) expected: &'static str,
}

/// `ast.literal_eval` for what a `doc_to_choice` template may print: a list (or tuple) of strings.
pub(crate) fn string_list(text: &str) -> Result<Vec<String>, LiteralError> {
    literal_list(text, Reader::string)
}

/// `ast.literal_eval` of a list (or tuple) of strings and whole numbers, as a `doc_to_target` template may print it.
pub(crate) fn list(text: &str) -> Result<Value, LiteralError> {
    literal_list(text, |reader| match reader.peek() {
        Some('-' | '0'..='9') => reader.whole().map(Value::from),
        _ => reader.string().map(Value::from),
    })
    .map(Value::Array)
}

fn literal_list<T>(
    text: &str,
    item: impl Fn(&mut Reader) -> Result<T, LiteralError>,
) -> Result<Vec<T>, LiteralError> {
    let mut reader = Reader {
        chars: text.chars().collect(),
        at: 0,
    };
    reader.skip_space();
    let close = match reader.next() {
        Some('[') => ']',
        Some('(') => ')',
        _ => return Err(reader.unexpected("a list such as ['a', 'b']")),
    };
    let mut items = Vec::new();
    loop {
        reader.skip_space();
        if reader.peek() == Some(close) {
            break;
        }
        items.push(item(&mut reader)?);
        reader.skip_space();
        match reader.peek() {
            Some(',') => reader.at += 1,
            Some(c) if c == close => break,
            _ => return Err(reader.expected("`,` or the end of the list")),
        }
    }
    reader.at += 1;
    reader.skip_space();
    if reader.peek().is_some() {
        Err(reader.expected("the end"))
    } else {
        Ok(items)
    }
}

struct Reader {
    chars: Vec<char>,
    at: usize,
}

impl Reader {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek();
        self.at += 1;
        c
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(' ' | '\t' | '\n' | '\r')) {
            self.at += 1;
        }
    }

    fn expected(&self, expected: &'static str) -> LiteralError {
        let found = self
            .peek()
            .map_or("the end of the text".into(), |c| format!("{c:?}"));
        LiteralError {
            at: self.at,
            found,
            expected,
        }
    }

    /// As [`Self::expected`], for the character just read.
    fn unexpected(&mut self, expected: &'static str) -> LiteralError {
        self.at -= 1;
        self.expected(expected)
    }

    fn whole(&mut self) -> Result<i64, LiteralError> {
        let start = self.at;
        while matches!(self.peek(), Some('-' | '0'..='9')) {
            self.at += 1;
        }
        let digits: String = self.chars[start..self.at].iter().collect();
        digits.parse().map_err(|_| {
            self.at = start;
            self.expected("a whole number")
        })
    }

    fn string(&mut self) -> Result<String, LiteralError> {
        let quote = match self.next() {
            Some(c @ ('\'' | '"')) => c,
            _ => return Err(self.unexpected("a string in quotes")),
        };
        let mut text = String::new();
        loop {
            match self.next() {
                Some(c) if c == quote => return Ok(text),
                Some('\\') => self.escape(&mut text)?,
                None | Some('\n') => return Err(self.unexpected("the closing quote")),
                Some(c) => text.push(c),
            }
        }
    }

    fn escape(&mut self, text: &mut String) -> Result<(), LiteralError> {
        let (plain, digits) = match self.next() {
            Some('n') => ('\n', 0),
            Some('r') => ('\r', 0),
            Some('t') => ('\t', 0),
            Some(c @ ('\\' | '\'' | '"')) => (c, 0),
            Some(c @ 'x') => (c, 2),
            Some(c @ 'u') => (c, 4),
            Some(c @ 'U') => (c, 8),
            _ => return Err(self.unexpected("one of \\n \\r \\t \\\\ \\' \\\" \\x \\u \\U")),
        };
        if digits == 0 {
            text.push(plain);
            return Ok(());
        }
        let end = self.at + digits;
        let hex: String = self
            .chars
            .get(self.at..end)
            .unwrap_or_default()
            .iter()
            .collect();
        let parsed = u32::from_str_radix(&hex, 16).ok().and_then(char::from_u32);
        text.push(parsed.ok_or_else(|| self.expected("the hexadecimal digits of a character"))?);
        self.at = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn floats_read_as_python_writes_them() {
        // Each right side is what Python 3.11 prints.
        for (x, text) in [
            (-3.0, "-3.0"),
            (0.1, "0.1"),
            (1e-4, "0.0001"),
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (100.0, "100.0"),
            (-0.05, "-0.05"),
            (12.5, "12.5"),
            (1e15, "1000000000000000.0"),
            (-165.759_674_072_265_62, "-165.75967407226562"),
            (5e-324, "5e-324"),
            (1.5e-5, "1.5e-05"),
            (1e16, "1e+16"),
            (123456789012345680.0, "1.2345678901234568e+17"),
            (-2.5e-300, "-2.5e-300"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(float(x), text);
        }
    }

    #[test]
    fn json_is_spaced_as_python_spaces_it() {
        let value = json!({"a": [1, 2.0, "예"], "b": {}, "c": null});
        assert_eq!(json(&value), r#"{"a": [1, 2.0, "예"], "b": {}, "c": null}"#);
        assert_eq!(
            json_indented(&value),
            "{\n  \"a\": [\n    1,\n    2.0,\n    \"예\"\n  ],\n  \"b\": {},\n  \"c\": null\n}"
        );
    }

    #[test]
    fn a_list_of_strings_is_read_with_either_quote_and_escapes() {
        let items = string_list(r#" ['a', "it's", 'x\n\u00e9\\', ] "#);
        assert_eq!(items, Ok(vec!["a".into(), "it's".into(), "x\né\\".into()]));
        assert_eq!(string_list("()"), Ok(vec![]));
    }

    #[test]
    fn values_read_as_python_writes_them() {
        // repr() in Python 3.11.
        for (value, text) in [
            (
                json!(["a", "it's", "\"", "'\"", 1, 0.5, null, true]),
                r#"['a', "it's", '"', '\'"', 1, 0.5, None, True]"#,
            ),
            (
                json!({"k": ["\n\\\u{7f}\u{a0}\u{3000}예"]}),
                r"{'k': ['\n\\\x7f\xa0\u3000예']}",
            ),
        ] {
            assert_eq!(repr(&value), text);
        }
    }

    #[test]
    fn a_list_of_numbers_and_strings_is_read() {
        assert_eq!(list("[1, -2, 'a']"), Ok(json!([1, -2, "a"])));
        assert!(list("[1.5]").is_err() && list("[1").is_err());
    }

    #[test]
    fn what_is_no_list_of_strings_is_refused_with_its_place() {
        for (text, message) in [
            (
                "",
                "character 0 is the end of the text; expected a list such as ['a', 'b']",
            ),
            (
                "['a', 1]",
                "character 6 is '1'; expected a string in quotes",
            ),
            (
                "['a' 'b']",
                "character 5 is '\\''; expected `,` or the end of the list",
            ),
            (
                "['a",
                "character 3 is the end of the text; expected the closing quote",
            ),
            ("['a'] x", "character 6 is 'x'; expected the end"),
            (
                r"['\uZZZZ']",
                "character 4 is 'Z'; expected the hexadecimal digits of a character",
            ),
            (
                r"['\q']",
                r#"character 3 is 'q'; expected one of \n \r \t \\ \' \" \x \u \U"#,
            ),
        ] {
            assert_eq!(
                string_list(text).map_err(|e| e.to_string()),
                Err(message.into())
            );
        }
    }

    #[test]
    fn separators_count_as_white_space() {
        assert!(is_space('\u{1f}') && is_space('\u{3000}') && !is_space('\u{200b}'));
    }
}
