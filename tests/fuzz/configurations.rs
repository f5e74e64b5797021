//! Configuration files with slips, and files that are none: settings, or what is wrong and where.

use std::{path::Path, sync::LazyLock};

use proptest::{prelude::*, sample::Index};
use skyrelay::{
    config::{Config, Problem},
    secret::MASK,
};

use crate::harness::{Allowed, Turn};

const EXAMPLE: &str = include_str!("../../config/skyrelay.toml");
const README: &str = include_str!("../../README.md");

/// A panic of the TOML parser is caught and answered. A file of 40 KB makes no more than this; so do ten of the patterns
/// that it may hold.
const ALLOWED: Allowed = Allowed {
    heap_bytes: 64 << 20,
    panics: |_| true,
};

/// Files that are good.
static GOOD: LazyLock<Vec<String>> = LazyLock::new(|| {
    let uncommented = EXAMPLE.lines().map(|line| match line.strip_prefix('#') {
        Some(code) if !code.is_empty() && !code.starts_with([' ', '~']) => code,
        _ => line,
    });
    let uncommented: Vec<_> = uncommented.collect();
    let is_code = |line: &&str| !line.is_empty() && !line.starts_with('#');
    let code: Vec<_> = uncommented.iter().copied().filter(is_code).collect();
    let mut files = vec![EXAMPLE.to_owned(), uncommented.join("\n"), code.join("\n")];
    let blocks = README
        .split("```toml\n")
        .skip(1)
        .filter_map(|block| block.split("```").next());
    files.extend(blocks.map(str::to_owned));
    assert!(files.len() >= 4);
    for file in &files {
        assert!(Config::parse(Path::new("f.toml"), file).is_ok(), "{file}");
    }
    files
});

/// What files are made of.
static WORDS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut words: Vec<String> = GOOD[2].split([' ', '\n', ',']).map(str::to_owned).collect();
    let more = [
        "\n",
        "\n\n",
        "[",
        "]",
        "[[",
        "]]",
        "{",
        "}",
        "=",
        ".",
        ",",
        "\"",
        "'",
        "\"\"\"",
        "'''",
        "#",
        "\\",
        "\\u0000",
        "\\ud800",
        "-1",
        "0",
        "1e400",
        "nan",
        "-inf",
        "9223372036854775807",
        "9223372036854775808",
        "0x1",
        "1_0",
        "1979-05-27T07:32:00Z",
        "true",
        "off",
        "\"off\"",
        "\"24h\"",
        "\"-1s\"",
        "\"1e9h\"",
        "\"99999999999999999999h\"",
        "\"1 KiB\"",
        "\"18446744073709551615 GiB\"",
        "\"10%\"",
        "\"[\"",
        "\"{\"",
        "\"**\"",
        "\"{{{{\"",
        "\"[z-a]\"",
        "\"0.0.0.0:0\"",
        "\"::1\"",
        "\"[::1]:99999\"",
        "\"10.0.0.0/33\"",
        "\u{feff}",
        "\u{0}",
        "\u{7f}",
        "\u{e9}",
        "\r\n",
        "\t",
        "[[watch]]\n",
        "[detector.a]\n",
        "[notify.\"\"]\n",
        "conf.d",
        "[a.b.c]\n",
    ];
    words.extend(more.map(str::to_owned));
    words.retain(|word| !word.is_empty());
    words.sort();
    words.dedup();
    words
});

/// One slip.
#[derive(Clone, Debug)]
enum Slip {
    /// Characters give way to a word.
    Overwrite(Index, usize, Index),
    /// A word gives way to another.
    Exchange(Index, Index),
    /// A line comes a second time, elsewhere.
    Repeat(Index, Index),
    /// A line goes.
    Drop(Index),
    /// The rest of the file goes.
    End(Index),
    /// Characters come many times.
    Stutter(Index, usize, usize),
}

fn slips() -> impl Strategy<Value = Vec<Slip>> {
    let slip = prop_oneof![
        3 => (any::<Index>(), 0..12_usize, any::<Index>()).prop_map(|(at, count, word)| Slip::Overwrite(at, count, word)),
        5 => (any::<Index>(), any::<Index>()).prop_map(|(at, word)| Slip::Exchange(at, word)),
        2 => (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Slip::Repeat(from, to)),
        2 => any::<Index>().prop_map(Slip::Drop),
        1 => any::<Index>().prop_map(Slip::End),
        1 => (any::<Index>(), 1..9_usize, 2..400_usize).prop_map(|(at, count, times)| Slip::Stutter(at, count, times)),
    ];
    prop::collection::vec(slip, 1..6)
}

fn slip(slips: &[Slip], text: &str) -> String {
    let mut text = text.to_owned();
    for slip in slips {
        let mut characters: Vec<char> = text.chars().collect();
        let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
        if characters.is_empty() {
            break;
        }
        let length = characters.len();
        text = match slip {
            Slip::Overwrite(at, count, word) => {
                let at = at.index(length);
                characters.splice(at..length.min(at + count), word.get(&WORDS[..]).chars());
                characters.into_iter().collect()
            }
            Slip::Exchange(at, word) => {
                let mut words: Vec<&str> = text.split_inclusive([' ', '\n', ',', ']', '=']).collect();
                let place = at.index(words.len());
                let end = words[place].chars().last().unwrap_or_default().to_string();
                let new = word.get(&WORDS[..]).clone() + &end;
                words[place] = &new;
                words.concat()
            }
            Slip::Repeat(from, to) => {
                let line = *from.get(&lines);
                lines.insert(to.index(lines.len() + 1), line);
                lines.concat()
            }
            Slip::Drop(at) => {
                lines.remove(at.index(lines.len()));
                lines.concat()
            }
            Slip::End(at) => characters[..at.index(length)].iter().collect(),
            Slip::Stutter(at, count, times) => {
                let at = at.index(length);
                let piece = &characters[at..length.min(at + count)];
                let stutter = piece.repeat(*times);
                characters.splice(at..at, stutter);
                characters.into_iter().collect()
            }
        };
    }
    text
}

#[test]
fn configurations() {
    let turn = Turn::take();
    let with_slips = (any::<Index>(), slips()).prop_map(|(file, slips)| slip(&slips, &GOOD[file.index(GOOD.len())]));
    let of_words = prop::collection::vec(
        (any::<Index>(), prop::sample::select(vec!["", " ", "\n", " = "])),
        0..40,
    )
    .prop_map(|words| {
        words
            .iter()
            .map(|(word, end)| word.get(&WORDS[..]).clone() + end)
            .collect::<String>()
    });
    let inputs = prop_oneof![6 => with_slips, 3 => of_words, 1 => any::<String>()];
    turn.fuzz("configurations", ALLOWED, &inputs, |text| check(text));
}

fn check(text: &str) -> Result<(), TestCaseError> {
    match Config::parse(Path::new("f.toml"), text) {
        Ok(config) => {
            let printed = config.to_toml();
            // What is masked is gone.
            if !printed.contains(MASK) {
                let again = Config::parse(Path::new("printed.toml"), &printed);
                prop_assert_eq!(again.as_ref(), Ok(&config), "{}", printed);
            }
        }
        Err(error) => {
            prop_assert!(!error.problems().is_empty());
            for problem in error.problems() {
                check_problem(problem, text)?;
            }
        }
    }
    Ok(())
}

/// It is one line, with the place in a model or template shown below it or not, and says where.
fn check_problem(problem: &Problem, text: &str) -> Result<(), TestCaseError> {
    let shown = problem.to_string();
    let (said, excerpt) = shown
        .split_once('\n')
        .map_or((&*shown, None), |(said, excerpt)| (said, Some(excerpt)));
    if let Some(excerpt) = excerpt {
        prop_assert!(said.contains("detector.") || said.contains("notify."), "{shown:?}");
        prop_assert_eq!(excerpt.lines().count(), 2, "{:?}", shown);
        prop_assert!(excerpt.ends_with('^'), "{shown:?}");
    }
    let Some(position) = problem.position else {
        let is_of_the_whole = ["more mistakes are not shown", "the TOML parser gave up"]
            .iter()
            .any(|words| shown.contains(words));
        prop_assert!(is_of_the_whole, "{shown} has no place");
        return Ok(());
    };
    let lines: Vec<&str> = text.split('\n').collect();
    // What is missing is missed behind the end.
    prop_assert!((1..=lines.len()).contains(&position.line), "{shown}");
    let columns = lines[position.line - 1].chars().count() + 1;
    prop_assert!((1..=columns).contains(&position.column), "{shown}");
    Ok(())
}
