//! What the documents say is so: the configuration in the README is one, and its commands are there.

use std::path::Path;

use skyrelay::{config::Config, shard::Unanalysed};

const README: &str = include_str!("../README.md");

/// The code blocks of the README in `language`, without their indentation.
fn blocks(language: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut block: Option<String> = None;
    for line in README.lines().map(str::trim_start) {
        match (&mut block, line.strip_prefix("```")) {
            (None, Some(opened)) if opened == language => block = Some(String::new()),
            (Some(_), Some(_)) => blocks.extend(block.take()),
            (Some(text), None) => text.extend([line, "\n"]),
            (None, _) => {}
        }
    }
    blocks
}

#[test]
fn the_configurations_in_the_readme_are_accepted() {
    let blocks = blocks("toml");
    assert!(blocks.len() >= 2, "found {} blocks", blocks.len());
    for block in blocks {
        if let Err(error) = Config::parse(Path::new("README.md"), &block) {
            panic!("{error}\n{block}");
        }
    }
}

#[test]
fn the_readme_shows_what_check_says() {
    let text = "[listen]\ntcp = [\"127.0.0.1:2003\"]\n\n\n[window]\nspam = \"24h\"\n\n[detector.default]\nkind = \"skyline\"\n\nconsensus = 12\n\
                [detector.checkout]\nkind = \"expression\"\nwhen = \"value > 3 * medain('1h')\"\n";
    let error = Config::parse(Path::new("skyrelay.toml"), text).expect_err("there are three mistakes in it");
    assert!(README.contains(&error.to_string()), "{error}");
}

#[test]
fn the_scripts_in_the_readme_are_there() {
    assert!(README.contains("tests/run.sh"));
    assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/run.sh").exists());
    assert!(README.contains("(config/skyrelay.service)"));
    assert!(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("config/skyrelay.service")
            .exists()
    );
}

#[test]
fn the_readme_names_each_reason_for_which_a_line_is_not_analysed() {
    for reason in Unanalysed::ALL {
        let name = format!("`{}`", reason.name());
        assert!(README.contains(&name), "{name}");
    }
}

#[test]
fn the_readme_says_how_far_ahead_a_sample_may_be() {
    let config = Config::parse(Path::new("nothing.toml"), "").expect("defaults are valid");
    let minutes = config.shard.limits.max_ahead_s.expect("there is a bound") / 60;
    assert!(
        README.contains(&format!("`limits.max_ahead` ({minutes} minutes)")),
        "{minutes}"
    );
}
