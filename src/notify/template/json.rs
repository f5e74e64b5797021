//! Values on their way into JSON: a value can say whatever it likes, and the document stays what its author wrote.
//!
//! Of what a template renders, the text that its author wrote is told from what the values said, span by span. A value
//! within quotes becomes characters of that string. One outside of them has to be a whole value of JSON: a number, `true`,
//! `false`, nothing (which becomes `null`), or what `tojson` made. So no name of a series can end a string, add a field or
//! open a list, whichever way the template is written.

use std::ops::Range;

use minijinja::{OutputSpan, OutputSpanKind, Value};
use serde::de::IgnoredAny;

use super::Mistake;

/// In front of what is JSON already: no text that anybody sees has it.
pub(super) const WHOLE: char = '\u{fdd0}';

/// Stands for nothing.
pub(super) const NOTHING: char = '\u{fdd1}';

/// `value` as `tojson` writes it.
pub(super) fn whole(value: &Value) -> Result<String, minijinja::Error> {
    let json = serde_json::to_string(value).map_err(|error| {
        minijinja::Error::new(minijinja::ErrorKind::BadSerialization, "is no value of JSON").with_source(error)
    })?;
    Ok(format!("{WHOLE}{json}"))
}

/// Where in a document its author is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    /// Between values.
    Structure,
    /// In a string.
    Text,
    /// Behind a backslash in a string.
    Escape,
}

/// The document of what was rendered, which is a whole one.
pub(super) fn document(rendered: &str, spans: &[OutputSpan]) -> Result<String, Mistake> {
    let mut document = String::with_capacity(rendered.len() + rendered.len() / 8);
    // Where in the document each span begins.
    let mut begins = Vec::with_capacity(spans.len());
    let mut within = Within::Structure;
    for span in spans {
        begins.push(document.len());
        let said = &rendered[span.output_range()];
        if span.kind() == OutputSpanKind::Raw {
            within = said.bytes().fold(within, after);
            document.push_str(said);
        } else {
            value(said, within, &mut document).map_err(|message| Mistake::new(span.source_range(), message))?;
        }
    }
    match serde_json::from_str::<IgnoredAny>(&document) {
        Ok(_) => Ok(document),
        Err(error) => {
            let offset = offset(&document, error.line(), error.column());
            let text = error.to_string();
            // Lines and columns of what was rendered tell nobody anything.
            let what = text.split(" at line ").next().unwrap_or(&text);
            Err(Mistake::new(
                source(spans, &begins, offset),
                format!("what this makes is no JSON: {what}"),
            ))
        }
    }
}

fn after(within: Within, byte: u8) -> Within {
    match (within, byte) {
        (Within::Structure, b'"') | (Within::Escape, _) => Within::Text,
        (Within::Text, b'"') => Within::Structure,
        (Within::Text, b'\\') => Within::Escape,
        (other, _) => other,
    }
}

fn value(said: &str, within: Within, document: &mut String) -> Result<(), &'static str> {
    match within {
        Within::Escape => Err("a backslash is right before this value, expected none in front of a value"),
        Within::Text => {
            let text = said.replace([WHOLE, NOTHING], "");
            let quoted = serde_json::to_string(&text).expect("a text is JSON");
            document.push_str(&quoted[1..quoted.len() - 1]);
            Ok(())
        }
        Within::Structure => {
            let json = match said.strip_prefix(WHOLE) {
                _ if said.starts_with(NOTHING) && said.len() == NOTHING.len_utf8() => "null",
                Some(json) if serde_json::from_str::<IgnoredAny>(json).is_ok() => json,
                None if is_scalar(said) => said,
                _ => return Err("this text is outside of quotes, expected it within, or `| tojson` behind it"),
            };
            document.push_str(json);
            Ok(())
        }
    }
}

fn is_scalar(text: &str) -> bool {
    use serde_json::Value;
    matches!(serde_json::from_str(text), Ok(Value::Number(_) | Value::Bool(_)))
}

/// The byte that a line and a column (of bytes) of `text` are about.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let before: usize = text
        .split_inclusive('\n')
        .take(line.saturating_sub(1))
        .map(str::len)
        .sum();
    (before + column.saturating_sub(1)).min(text.len().saturating_sub(1))
}

/// What of the template has made the byte at `offset` of the document.
fn source(spans: &[OutputSpan], begins: &[usize], offset: usize) -> Range<usize> {
    let Some(place) = begins.partition_point(|begin| *begin <= offset).checked_sub(1) else {
        return 0..0;
    };
    let span = &spans[place];
    match span.kind() {
        OutputSpanKind::Raw => {
            let at = (span.source_range().start + offset - begins[place]).min(span.source_range().end);
            at..at + 1
        }
        _ => span.source_range(),
    }
}
