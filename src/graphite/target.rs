//! Targets: names and patterns of series, and functions of these.

/// Is it written as a function is, such as `alias(a.b,'c')`?
pub fn is_call(target: &str) -> bool {
    target.split_once('(').is_some_and(|(function, rest)| {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        !function.is_empty() && function.bytes().all(is_name) && rest.ends_with(')')
    })
}

/// The nodes of a pattern; dots within braces and brackets are part of one.
pub fn nodes(pattern: &str) -> Vec<&str> {
    let mut open = 0_usize;
    let is_end = |character: char| {
        match character {
            '{' | '[' => open += 1,
            '}' | ']' => open = open.saturating_sub(1),
            _ => {}
        }
        character == '.' && open == 0
    };
    pattern.split(is_end).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_told_from_names() {
        for call in ["alias(a.b,'c')", "sumSeries(a.*)", "alias(sumSeries(a.*), 'x')"] {
            assert!(is_call(call), "{call}");
        }
        for name in ["a.b", "a.b(c)", "servers.{a,b}.load", "a(", "(a)"] {
            assert!(!is_call(name), "{name}");
        }
    }

    #[test]
    fn nodes_of_a_pattern_lie_between_dots() {
        assert_eq!(nodes("a.*"), ["a", "*"]);
        assert_eq!(nodes("a.{b.c,d}.e"), ["a", "{b.c,d}", "e"]);
        assert_eq!(nodes("a.[.x].b"), ["a", "[.x]", "b"]);
        assert_eq!(nodes("*"), ["*"]);
        assert_eq!(nodes(""), [""]);
    }
}
