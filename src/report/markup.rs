//! Hostile text on its way into HTML, SVG and pictures.

use std::fmt::Write;

use super::is_unseen;

/// `text` with what is not to be seen in it spelled out, as in JSON: it turns no line round, and XML may hold it.
pub fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for char in text.chars() {
        if is_unseen(char) || matches!(char, '\u{fffe}' | '\u{ffff}') {
            write!(plain, "\\u{:04x}", u32::from(char)).expect("a String takes it");
        } else {
            plain.push(char);
        }
    }
    plain
}

/// `text` for HTML and XML, between tags and between quotes: plain, and without a character that either gives a meaning to.
pub fn markup(text: &str) -> String {
    let plain = plain(text);
    let mut escaped = String::with_capacity(plain.len());
    for char in plain.chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// `text` in `max` characters at most (3 or more): its middle gives way, as names differ at their ends.
pub fn cut(text: &str, max: usize) -> String {
    let count = text.chars().count();
    if count <= max {
        return text.to_owned();
    }
    let kept = max.saturating_sub(3);
    let front: String = text.chars().take(kept - kept / 2).collect();
    let back: String = text.chars().skip(count - kept / 2).collect();
    format!("{front}...{back}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_has_no_tag_no_quote_and_nothing_unseen() {
        assert_eq!(
            markup("<script>alert('1')</script> & \"x\" \u{1b}[2J \u{202e}gnp\u{ffff} ünï"),
            "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt; &amp; &quot;x&quot; \\u001b[2J \\u202egnp\\uffff ünï"
        );
    }

    #[test]
    fn a_long_text_keeps_its_ends() {
        assert_eq!(cut("servers.web1.load", 17), "servers.web1.load");
        assert_eq!(cut("servers.web1.load", 12), "serve...load");
        assert_eq!(cut("ünïünïünï", 6), "ün...ï");
        assert_eq!(cut("abcdef", 3), "...");
    }
}
