//! What is wrong, where, and what is said about it.

use proptest::prelude::*;

use super::*;

/// `when` is refused with `message`, at `at`.
#[track_caller]
fn says(when: &str, at: &str, message: &str) {
    let mistakes = try_model(when).expect_err("it should be refused");
    let [(key, mistake)] = mistakes.as_slice() else {
        panic!("one mistake is told: {mistakes:?}")
    };
    assert_eq!((*key, mistake.message.as_str()), ("when", message), "{when}");
    assert_eq!(&when[mistake.at.clone()], at, "{when}");
    assert!(!mistake.message.ends_with('.'));
}

/// The same, where `meant` may be meant.
#[track_caller]
fn suggests(when: &str, name: &str, meant: &str) {
    let mistakes = try_model(when).expect_err("it should be refused");
    let known = mistakes[0].1.meant.clone().expect("something may be meant");
    assert_eq!(known.name, name);
    assert!(known.known.iter().any(|known| known == meant), "{known:?}");
    assert_eq!(&when[mistakes[0].1.at.clone()], name);
}

#[test]
fn names_that_nothing_has() {
    says("value > 3 * medain('1h')", "medain", "there is no function `medain`");
    suggests("value > 3 * medain('1h')", "medain", "median");
    says("valeu > 3", "valeu", "nothing is called `valeu`");
    suggests("let limit = 3; value > limt", "limt", "limit");
    says(
        "detector('classic').votes > 1",
        "votes",
        "a detector has no `votes`, but `score`, `anomalous`, `expected`, `lower` or `upper`",
    );
    says(
        "series('a').score > 1",
        "score",
        "a series has no `score`, but `value` or `age`",
    );
}

#[test]
fn forms() {
    says(
        "",
        "",
        "the end stands here, expected a value, such as `value`, `median('1h')` or a number",
    );
    says(
        "value >",
        "",
        "the end stands here, expected a value, such as `value`, `median('1h')` or a number",
    );
    says(
        "1 < value < 3",
        "< value <",
        "comparisons do not chain; write `a < b and b < c`, or `b in a..c`",
    );
    says(
        "value == 1 in [true]",
        "== 1 in",
        "comparisons do not chain; write `a < b and b < c`, or `b in a..c`",
    );
    says("value > 3 && true", "&&", "`&&` means nothing here, write `and`");
    says("value > 3 || true", "||", "`||` means nothing here, write `or`");
    says("!(value > 3)", "!", "`!` means nothing here, write `not`");
    says("value = 3", "=", "`=` means nothing here, to compare, write `==`");
    says(
        "value ^ 2 > 3",
        "^",
        "`^` means nothing here; a power is written pow(x, y)",
    );
    says(
        "value > 3 ? 1 : 0",
        "?",
        "`?` means nothing here; a choice is written `if a then b else c`",
    );
    says(
        "(value > 3",
        "",
        "the end stands here, expected `)` to match the `(` before",
    );
    says("value > 3)", ")", "`)` stands here, expected an operator or the end");
    says(
        "value > 3;",
        ";",
        "`;` only ends a `let`; the result comes last, without one",
    );
    says(
        "value 3",
        "3",
        "the number 3 stands here, expected an operator or the end",
    );
    says(
        "value in 8",
        "",
        "the end stands here, expected `..` after the lower end, as in `8..20`, or a list, as in `['a', 'b']`",
    );
    says("[1, 2]", "[", "a list only stands behind `in`");
    says("node(1) == 'a", "'", "the text that begins here has no ' at its end");
    says(
        "let m = 3 value > m",
        "value",
        "`value` stands here, expected `;` after the value of a `let`",
    );
    says(
        "value > 3 and let m = 3; m",
        "let",
        "each `let` stands at the beginning, and ends with `;`",
    );
    says(
        "let in = 3; true",
        "in",
        "`in` is a word of the language, expected a name of your own after `let`",
    );
    says(
        "let mean = 3; true",
        "mean",
        "`mean` is a name of the language, expected one of your own after `let`",
    );
    says("let m = 3; let m = 4; true", "m", "`m` is given twice");
    says(
        "if true then false",
        "",
        "the end stands here, expected `else` and what holds otherwise",
    );
    says(
        "age() > 5m",
        "5m",
        "`5m` is no number; a time is written in quotes, such as '5m'",
    );
    says("value > 1e999", "1e999", "the number is too large");
    says("value > 3 @", "@", "`@` means nothing here");
}

#[test]
fn types() {
    says(
        "value",
        "value",
        "this is a number, expected true or false, such as `value > 10`",
    );
    says(
        "value and true",
        "value",
        "this is a number, expected true or false beside `and`",
    );
    says(
        "not value > 3 + (true)",
        "3 + (true)",
        "a number and true or false have no `+`",
    );
    says(
        "-true == 1",
        "true",
        "this is true or false, which has no negative; write `not`",
    );
    says(
        "age() > 300",
        "age() > 300",
        "a time and a number have no `>`; a time is compared with one such as '5m'",
    );
    says("age() + 1 > '5m'", "age() + 1", "a time and a number have no `+`");
    says("age() * age() > '5m'", "age() * age()", "a time and a time have no `*`");
    says("value > 'a'", "value > 'a'", "a number and a text have no `>`");
    says(
        "node(1) < node(2)",
        "node(1) < node(2)",
        "a text and a text have no `<`",
    );
    says(
        "true > false",
        "true > false",
        "true or false and true or false have no `>`",
    );
    says("node(1) == 3", "node(1) == 3", "a text and a number have no `==`");
    says(
        "node(1) in 1..2",
        "node(1)",
        "this is a text, which is looked for in a list, such as ['a', 'b']",
    );
    says(
        "node(1) in ['a', 3]",
        "3",
        "this is a number, expected a text in this list, as before `in`",
    );
    says(
        "value in [1, 'a']",
        "'a'",
        "this is a text, expected a number in this list, as before `in`",
    );
    says(
        "if true then 1 else true",
        "true",
        "this is true or false, expected a number behind `else`, as behind `then`",
    );
    says(
        "abs(true) > 1",
        "true",
        "this is true or false, expected a number in abs()",
    );
    says(
        "age() > '5 parsecs'",
        "'5 parsecs'",
        "expected a unit out of `ms`, `s`, `m`, `h`, `d` and `w` after the number, such as \"10s\" or \"24h\"",
    );
    says(
        "'a'",
        "'a'",
        "this is a text, expected a number, a time, or what is true or false",
    );
}

#[test]
fn arguments() {
    let windowed = "expected mean('1h'), mean(3) for the last 3 samples, or mean('1h', '23h') for the hour that ended 23 hours ago";
    says("mean() > 1", "mean()", windowed);
    says(
        "mean > 1",
        "mean",
        "`mean` is a function, expected its arguments: mean('1h'), mean(3) for the last 3 samples, or mean('1h', '23h') for the hour that ended 23 hours ago",
    );
    says("mean(value) > 1", "value", "expected a time in quotes, such as '1h'");
    says(
        "mean(0) > 1",
        "0",
        "expected 1 to 100000 samples, or a time such as '1h'",
    );
    says(
        "mean('25h') > 1",
        "mean('25h')",
        "this reaches back further than window.span, which is 24h",
    );
    says(
        "mean('2h', '23h') > 1",
        "mean('2h', '23h')",
        "this reaches back further than window.span, which is 24h",
    );
    says("mean('500ms') > 1", "'500ms'", "expected whole seconds, 1s or more");
    says(
        "quantile(99, '1h') > 1",
        "99",
        "expected a number from 0 to 1, such as 0.99",
    );
    says(
        "ewma('1h') > 1",
        "'1h'",
        "expected how far the mean leans back: a number of samples above 0, such as 50",
    );
    says(
        "value() > 1",
        "value()",
        "`value` is no function: leave out the parentheses",
    );
    says("hour(1) > 1", "hour(1)", "expected hour()");
    says(
        "node(0) == 'a'",
        "0",
        "expected which node of the name: 1 is the first, 2 the second, -1 the last",
    );
    says(
        "detector('a') > 1",
        "detector('a')",
        "say what of it: `score`, `anomalous`, `expected`, `lower` or `upper` behind a `.`",
    );
    says(
        "detector(1).score > 1",
        "1",
        "expected the name of a detector, in quotes",
    );
    says(
        "value.score > 1",
        "score",
        "only detector('…') and series('…') have anything behind a `.`",
    );
    says(
        "hour() in 22..6",
        "hour() in 22..6",
        "nothing is in 22..6, which ends before 6; round the clock write `not in 6..22`",
    );
}

#[test]
fn each_source_is_checked_and_the_rest_may_use_names_of_the_first() {
    let sources = |score: &str, lower: &str| Sources {
        when: "let m = median('1h'); value > 3 * m".to_owned(),
        score: Some(score.to_owned()),
        lower: Some(lower.to_owned()),
        ..Sources::default()
    };
    let good = Model::new(sources("value / m", "m - 3 * mad('1h')"), SPAN_S).unwrap();
    assert_eq!(
        good.sources().iter().map(|(name, _)| name).collect::<Vec<_>>(),
        ["when", "score", "lower"]
    );
    let bad = Model::new(sources("value > m", "m -"), SPAN_S).unwrap_err();
    let said: Vec<_> = bad
        .iter()
        .map(|(name, mistake)| (*name, mistake.message.as_str()))
        .collect();
    assert_eq!(
        said,
        [
            (
                "lower",
                "the end stands here, expected a value, such as `value`, `median('1h')` or a number"
            ),
            (
                "score",
                "this is true or false, expected a number; `if a then 1 else 0` makes one"
            ),
        ]
    );
}

#[test]
fn what_is_too_large_is_refused() {
    let deep = format!("{}value{} > 1", "(".repeat(60), ")".repeat(60));
    assert!(
        try_model(&deep).unwrap_err()[0]
            .1
            .message
            .contains("parts within parts")
    );
    let signs = format!("{}1 > 1", "-".repeat(1000));
    assert!(
        try_model(&signs).unwrap_err()[0]
            .1
            .message
            .contains("parts within parts")
    );
    let long = format!("value > {}1", "1 + ".repeat(600));
    assert!(try_model(&long).unwrap_err()[0].1.message.contains("more than 500"));
    let huge = format!("value > 1 {}", " ".repeat(5000));
    assert!(try_model(&huge).unwrap_err()[0].1.message.contains("4096"));
    let parts: Vec<String> = (1..70).map(|seconds| format!("mean('{seconds}s')")).collect();
    let many = format!("{} > 1", parts.join(" + "));
    assert!(
        try_model(&many).unwrap_err()[0]
            .1
            .message
            .contains("more than 64 parts of the window")
    );
}

/// Words of the language and others, in any order.
fn words() -> impl Strategy<Value = String> {
    let words = [
        "value",
        "previous",
        "(",
        ")",
        "+",
        "-",
        "*",
        "/",
        "%",
        ">",
        "<=",
        "==",
        "and",
        "or",
        "not",
        "in",
        "[",
        "]",
        "..",
        ",",
        "1",
        "0",
        "2.5e3",
        "'1h'",
        "'x'",
        "mean('1h')",
        "mean",
        "let",
        "=",
        ";",
        "if",
        "then",
        "else",
        "known(",
        "node(1)",
        "detector('d').score",
        "series('s').value",
        ".",
        "age()",
        "#",
        "\n",
        "é",
        "quantile(0.5, '1h')",
        "min(",
        "true",
    ];
    proptest::collection::vec(proptest::sample::select(words.to_vec()), 0..40).prop_map(|words| words.join(" "))
}

proptest! {
    #[test]
    fn any_words_are_a_model_or_a_mistake(words in words()) {
        if let Err(mistakes) = try_model(&words) {
            for (_, mistake) in mistakes {
                prop_assert!(words.get(mistake.at).is_some(), "a mistake lies in the source");
            }
        }
    }

    #[test]
    fn any_text_is_a_model_or_a_mistake(text: String) {
        if let Err(mistakes) = try_model(&text) {
            prop_assert!(text.get(mistakes[0].1.at.clone()).is_some());
        }
    }
}
